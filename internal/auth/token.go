package auth

import (
	"encoding/json"
	"maps"
	"strconv"
	"sync/atomic"
)

// TokenID identifies a token. Ids are never used twice. 0 is no token.
type TokenID int64

// AccessType is the kind of a token's rights [EXT-TOK-4].
type AccessType int

// The access types.
const (
	Standard AccessType = 0 // MQTT and /mqtt, everything of its account
	Master   AccessType = 1 // that, the accounts below, and /platform
	Listed   AccessType = 2 // only what its access list grants
)

// Access is what a token may do. ACL keeps the JSON text as it was written, so that a
// token reads back just so [EXT-REST-11].
type Access struct {
	Type AccessType      `json:"type"`
	ACL  json.RawMessage `json:"acl,omitempty"`
}

// Token is one token, without its key [EXT-TOK-3]. A value is a copy; its map and
// its ACL are shared and must not be written to.
type Token struct {
	ID       TokenID           `json:"id"`
	Account  AccountID         `json:"cid"`
	Info     string            `json:"info"`
	Enabled  bool              `json:"enabled"`
	Created  int64             `json:"created"`  // UNIX s
	Accessed int64             `json:"accessed"` // UNIX s
	Expire   int64             `json:"expire"`   // UNIX s, 0 = unused
	TTL      int64             `json:"ttl"`      // s since Accessed, 0 = unused
	IPs      string            `json:"ips"`
	Metadata map[string]string `json:"metadata"`
	Access   Access            `json:"access"`
	Scram    bool              `json:"scram"`
}

// TokenSpec is what a caller wants of a token. A nil field is left as it is; at
// creation: enabled, no address restriction, standard access. Scram acts at creation
// only, since the verifier needs the key [EXT-TOK-9].
type TokenSpec struct {
	Info     *string
	Enabled  *bool
	Expire   *int64
	TTL      *int64
	IPs      *string
	Metadata map[string]string
	Access   *Access
	Scram    *bool
}

// apply returns t with the fields of the spec put over it, or a FieldError. The
// access list is checked when the record is compiled.
func (s *TokenSpec) apply(t Token) (Token, error) {
	if s.Info != nil {
		if err := checkText("info", *s.Info, MaxInfoBytes); err != nil {
			return t, err
		}
		t.Info = *s.Info
	}
	if s.Enabled != nil {
		t.Enabled = *s.Enabled
	}
	if s.Expire != nil {
		if *s.Expire < 0 || *s.Expire > maxUnixSeconds {
			return t, fieldError("expire", "must be UNIX seconds, or 0")
		}
		t.Expire = *s.Expire
	}
	if s.TTL != nil {
		if *s.TTL < 0 || *s.TTL > maxSeconds {
			return t, fieldError("ttl", "must be between 0 and "+strconv.Itoa(maxSeconds))
		}
		t.TTL = *s.TTL
	}
	if s.IPs != nil {
		t.IPs = *s.IPs
	}
	if s.Metadata != nil {
		if err := checkMetadata(s.Metadata); err != nil {
			return t, err
		}
		t.Metadata = maps.Clone(s.Metadata)
	}
	if s.Access != nil {
		if s.Access.Type < Standard || s.Access.Type > Listed {
			return t, fieldError("access.type", "must be 0, 1 or 2")
		}
		t.Access = *s.Access
	}
	return t, nil
}

// record is the immutable form of a token in force.
type record struct {
	Token          // Accessed is the value last written; the entry has the current one
	permanent bool // the operator's first token: may have neither expire nor ttl [EXT-TOK-9]
	secret    secrets
	masks     *[]ipMask // nil: every address
	book      *book     // of Access.ACL, whatever the type
	grant     *Grant
}

// newRecord makes the record of a token, or returns a FieldError. The book is the
// compiled Access.ACL.
func newRecord(t Token, permanent bool, secret secrets, owner *account, b *book) (*record, error) {
	if t.Expire == 0 && t.TTL == 0 && !permanent {
		return nil, fieldError("ttl", "expire or ttl must be set") // [EXT-TOK-3]
	}
	list, err := parseIPs(t.IPs)
	if err != nil {
		return nil, err
	}
	var masks *[]ipMask
	if list != nil {
		masks = &list
	}
	if len(t.Metadata) == 0 {
		t.Metadata = noMetadata
	}
	t.Scram = secret.Scram != nil
	g := &Grant{
		Account:   owner.ID,
		Top:       owner.top(),
		Ancestors: owner.ancestors,
		Token:     t.ID,
		Type:      t.Access.Type,
		Master:    t.Access.Type == Master,
		shared:    unrestricted,
	}
	if t.Access.Type == Listed {
		g.book, g.shared = b, &Rights{book: b}
	}
	return &record{Token: t, permanent: permanent, secret: secret, masks: masks, book: b, grant: g}, nil
}

// identify gives the record of a new token its id, before anybody can see it.
func (r *record) identify(id TokenID) {
	r.Token.ID, r.grant.Token = id, id
}

// deadline returns when the token lapses (UNIX s), given its last use: the later of
// its two ends [EXT-TOK-3]. 0 is never.
func (r *record) deadline(accessed int64) int64 {
	end := r.Expire
	if r.TTL != 0 {
		end = max(end, accessed+r.TTL)
	}
	return end
}

// entry is a token's place in memory, the same one through all its changes.
type entry struct {
	rec      atomic.Pointer[record]
	accessed atomic.Int64 // UNIX s of the last use
	dirty    atomic.Bool  // in Directory.used.dirty, or being taken out of it
	live     atomic.Int64 // sessions online with this token
	gone     atomic.Bool  // deleted: whoever still holds the entry must not use it
	slot     int          // in Directory.due, -1 when it never lapses; guarded by Directory.write
}

// token returns the token as it is now.
func (e *entry) token() Token {
	t := e.rec.Load().Token
	t.Accessed = e.accessed.Load()
	return t
}

// valid returns nil when the token may be used now.
func (e *entry) valid(r *record, now int64) error {
	switch {
	case e.gone.Load():
		return errGone
	case !r.Enabled:
		return errDisabled
	}
	if end := r.deadline(e.accessed.Load()); end != 0 && now >= end && !(r.TTL != 0 && e.live.Load() > 0) {
		return errExpired
	}
	return nil
}
