package auth

import (
	"maps"
	"strconv"
	"unicode/utf8"
)

// AccountID identifies an account. Ids are never used twice, and say nothing about
// how many accounts there are or when they were made [EXT-ACC-1]. 0 is no account.
type AccountID int64

// Operator is the account that runs the installation [EXT-ACC-3].
const Operator AccountID = 1

// Account is one account [EXT-ACC-4]. A value is a copy; its map and the pointers of
// its settings are shared and must not be written to.
type Account struct {
	ID       AccountID         `json:"id"`
	Name     string            `json:"name"`
	Parent   AccountID         `json:"cid"` // 0 for a top-level account
	LimitID  int64             `json:"limit_id"`
	Metadata map[string]string `json:"metadata"`
	Blocked  int               `json:"blocked"` // reason code, 0 = not blocked
	Created  int64             `json:"created"` // UNIX s
	Settings Settings          `json:"settings"`
}

// AccountSpec is what a caller wants of an account. A nil field is left as it is (at
// creation: takes its zero value); in Settings, single keys are left so. Unset names
// settings that shall be the parent's again.
type AccountSpec struct {
	Name     *string
	LimitID  *int64
	Metadata map[string]string
	Blocked  *int
	Settings *Settings
	Unset    []string
}

// apply returns a with the fields of the spec put over it, or a FieldError.
func (s *AccountSpec) apply(a Account) (Account, error) {
	if s.Name != nil {
		if err := checkText("name", *s.Name, MaxNameBytes); err != nil {
			return a, err
		}
		a.Name = *s.Name
	}
	if s.LimitID != nil {
		if *s.LimitID < -1 {
			return a, fieldError("limit_id", "must be a limit's id, 0 or -1")
		}
		a.LimitID = *s.LimitID
	}
	if s.Metadata != nil {
		if err := checkMetadata(s.Metadata); err != nil {
			return a, err
		}
		a.Metadata = maps.Clone(s.Metadata)
	}
	if s.Blocked != nil {
		if *s.Blocked < 0 || *s.Blocked > 0xFFFF {
			return a, fieldError("blocked", "must be a reason code between 0 and 65535")
		}
		if a.ID == Operator && *s.Blocked != 0 {
			return a, fieldError("blocked", "the operator's account cannot be blocked")
		}
		a.Blocked = *s.Blocked
	}
	settings, err := a.Settings.merged(s.Settings, s.Unset)
	if err != nil {
		return a, err
	}
	a.Settings = settings
	return a, nil
}

// account is the immutable record of an account in force. There may be a million: what
// few have stands behind a pointer, and what is the parent's is shared.
type account struct {
	ID        AccountID
	Parent    AccountID
	LimitID   int64
	name      string
	metadata  map[string]string
	created   int64
	settings  *Settings          // nil where none is set
	effective *EffectiveSettings // in force; shared
	limits    *EffectiveLimits   // in force; shared
	ancestors []AccountID        // the account itself first, its top-level ancestor last
	blocked   int32              // reason code
	barred    bool               // it or an ancestor is blocked [EXT-ACC-4]
}

// noMetadata stands for every metadata map without entries.
var noMetadata = map[string]string{}

// noSettings stands for the settings of every account that has set none.
var noSettings Settings

// defaults are in force at the top of a tree where nothing is set.
var defaults = new(DefaultSettings())

// newAccount resolves what a takes from its parent, nil for a top-level account; its
// limits are given.
func newAccount(a Account, parent *account, limits *EffectiveLimits) *account {
	n := &account{
		ID: a.ID, Parent: a.Parent, LimitID: a.LimitID, name: a.Name, metadata: a.Metadata, created: a.Created,
		effective: defaults, limits: limits, blocked: int32(a.Blocked), barred: a.Blocked != 0,
	}
	if len(a.Metadata) == 0 {
		n.metadata = noMetadata
	}
	depth := 1
	if parent != nil {
		n.effective, n.barred = parent.effective, n.barred || parent.barred
		depth += len(parent.ancestors)
	}
	n.ancestors = append(make([]AccountID, 0, depth), a.ID)
	if parent != nil {
		n.ancestors = append(n.ancestors, parent.ancestors...)
	}
	if a.Settings != noSettings {
		n.settings = &a.Settings
		n.effective = new(a.Settings.resolve(*n.effective))
	}
	return n
}

// shown is the account as callers see it.
func (a *account) shown() Account {
	s := Account{
		ID: a.ID, Name: a.name, Parent: a.Parent, LimitID: a.LimitID, Metadata: a.metadata,
		Blocked: int(a.blocked), Created: a.created,
	}
	if a.settings != nil {
		s.Settings = *a.settings
	}
	return s
}

func (a *account) top() AccountID { return a.ancestors[len(a.ancestors)-1] }

// checkText refuses text that is too long, not UTF-8, or holds control characters,
// which have no business in a name and spoil terminals and logs.
func checkText(field, s string, limit int) error {
	if len(s) > limit {
		return fieldError(field, "is longer than "+strconv.Itoa(limit)+" bytes")
	}
	if !utf8.ValidString(s) {
		return fieldError(field, "is not valid UTF-8")
	}
	for _, r := range s {
		if r < 0x20 || r >= 0x7F && r <= 0x9F {
			return fieldError(field, "has control characters")
		}
	}
	return nil
}

func checkMetadata(m map[string]string) error {
	if len(m) > MaxMetadata {
		return fieldError("metadata", "has more than "+strconv.Itoa(MaxMetadata)+" entries")
	}
	total := 0
	for k, v := range m {
		if err := checkText("metadata", k, MaxMetadataKey); err != nil {
			return err
		}
		if len(v) > MaxMetadataValue {
			return fieldError("metadata", "has a value longer than "+strconv.Itoa(MaxMetadataValue)+" bytes")
		}
		if !utf8.ValidString(v) {
			return fieldError("metadata", "is not valid UTF-8")
		}
		total += len(k) + len(v)
	}
	if total > MaxMetadataBytes {
		return fieldError("metadata", "is longer than "+strconv.Itoa(MaxMetadataBytes)+" bytes")
	}
	return nil
}
