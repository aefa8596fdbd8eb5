package auth

import (
	"crypto/rand"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Config is the directory's configuration; the zero value is the default.
type Config struct {
	// OperatorToken sets the key of the operator's first token: KeyLength characters
	// of [A-Za-z0-9]. Empty: made at random on the first start, kept later [EXT-TOK-9].
	OperatorToken string
	// ReservedPrefix is the first level of the broker's own topics [EXT-TOP-1].
	// Empty: "flespi".
	ReservedPrefix string
	// FailedLogins is how many logins of one address, and in one token's name, may fail
	// in a second before they are refused unseen. 0: DefaultFailedLogins, at most
	// 1,000,000; negative: any number.
	FailedLogins int
	// Start is the time of the call to Open. Zero: read from the clock.
	Start time.Time
}

// Observer is told of changes after they are in force and durable. It is called from
// the goroutine that made the change, with no lock held, and may call the Directory.
type Observer interface {
	// TokenChanged: rights, validity or addresses of a live token are others;
	// Revalidate tells.
	TokenChanged(TokenID)
	// TokenGone: the token was deleted or has lapsed.
	TokenGone(TokenID)
	// TokenLapsed: the token has lapsed; TokenGone follows [EXT-TOK-3].
	TokenLapsed(Token)
	// AccountChanged: the account was blocked, unblocked, got other settings or limits
	// (its own or inherited), or was deleted.
	AccountChanged(AccountID)
}

// Directory is all accounts and tokens of an installation, in memory, kept by a
// Store. All methods are safe for concurrent use; lookups never wait for writes.
type Directory struct {
	cfg      Config
	store    Store
	observer atomic.Pointer[Observer]
	secret   []byte    // of the installation: 32 bytes
	sessions *disguise // of session ids
	firstKey string    // made by this Open, else empty
	guard    guard

	accounts *table[AccountID, *account]
	tokens   *table[TokenID, *entry]
	keys     *table[hash, *entry]
	limits   *table[LimitID, *limit]

	// write serialises changes; it is held while they are written to the store.
	write struct {
		sync.Mutex
		nextAccount uint64
		nextToken   uint64
		nextLimit   uint64
		due         dueHeap // tokens that lapse, the earliest first
		flushed     int64   // UNIX s of the last write of times of last use
	}
	// index says what belongs to what. A leaf lock, never held across the store.
	index struct {
		sync.RWMutex
		children map[AccountID]map[AccountID]struct{}
		tokens   map[AccountID]tokenSet
		limits   map[AccountID]map[LimitID]struct{}
		below    map[AccountID]int // accounts below each one, however deep
		accounts int
		total    int // tokens
	}
	// used collects tokens whose last use is to be written, and those with live
	// sessions. A leaf lock.
	used struct {
		sync.Mutex
		dirty []*entry // at most once each: entry.dirty says so
		live  map[TokenID]struct{}
	}
}

// Open loads the directory from the store. The first start creates the operator's
// account 1 and its master token; FirstOperatorKey then has the key. obs may be nil
// and set later. A wrong Config is a *FieldError; anything else is the store's.
func Open(cfg Config, st Store, obs Observer) (*Directory, error) {
	if cfg.ReservedPrefix == "" {
		cfg.ReservedPrefix = "flespi"
	}
	if cfg.Start.IsZero() {
		cfg.Start = time.Now()
	}
	if cfg.OperatorToken != "" && !isKey(cfg.OperatorToken) {
		return nil, fieldError("operator_token", "must be 64 characters of A-Z, a-z and 0-9")
	}
	d := &Directory{
		cfg:      cfg,
		store:    st,
		guard:    newGuard(cfg.FailedLogins),
		accounts: newTable[AccountID, *account](func(id AccountID) uint { return uint(id) }),
		tokens:   newTable[TokenID, *entry](func(id TokenID) uint { return uint(id) }),
		keys:     newTable[hash, *entry](func(h hash) uint { return uint(h[0]) }),
		limits:   newTable[LimitID, *limit](func(id LimitID) uint { return uint(id) }),
	}
	d.index.children = map[AccountID]map[AccountID]struct{}{}
	d.index.tokens = map[AccountID]tokenSet{}
	d.index.limits = map[AccountID]map[LimitID]struct{}{}
	d.index.below = map[AccountID]int{}
	d.used.live = map[TokenID]struct{}{}
	d.SetObserver(obs)
	if err := d.load(); err != nil {
		return nil, err
	}
	if err := d.installOperator(); err != nil {
		return nil, err
	}
	return d, nil
}

// SetObserver sets who is told of changes; nil for nobody.
func (d *Directory) SetObserver(obs Observer) {
	if obs == nil {
		obs = nobody{}
	}
	d.observer.Store(&obs)
}

func (d *Directory) notify() Observer { return *d.observer.Load() }

type nobody struct{}

func (nobody) TokenChanged(TokenID)     {}
func (nobody) TokenGone(TokenID)        {}
func (nobody) TokenLapsed(Token)        {}
func (nobody) AccountChanged(AccountID) {}

// FirstOperatorKey returns the key that this Open has made for the operator's first
// token, to be shown once; empty when the key was given or is known from before.
func (d *Directory) FirstOperatorKey() string { return d.firstKey }

// Account returns an account.
func (d *Directory) Account(id AccountID) (Account, bool) {
	a := d.accounts.get(id)
	if a == nil {
		return Account{}, false
	}
	return a.shown(), true
}

// Ancestors returns the account and all above it, itself first; nil when it does not
// exist. The slice is shared and must not be written to.
func (d *Directory) Ancestors(id AccountID) []AccountID {
	a := d.accounts.get(id)
	if a == nil {
		return nil
	}
	return a.ancestors
}

// Blocked reports whether the account or one above it is blocked, or is gone
// [EXT-ACC-4].
func (d *Directory) Blocked(id AccountID) bool {
	a := d.accounts.get(id)
	return a == nil || a.barred
}

// IsDescendant reports whether the account id is of, or lies below it. The operator's
// customers are not descendants of the operator [EXT-ACC-3].
func (d *Directory) IsDescendant(id, of AccountID) bool {
	return slices.Contains(d.Ancestors(id), of)
}

// EffectiveSettings returns the account's settings, inherited ones filled in; the
// defaults for an account that does not exist [EXT-ACC-5].
func (d *Directory) EffectiveSettings(id AccountID) EffectiveSettings {
	a := d.accounts.get(id)
	if a == nil {
		return DefaultSettings()
	}
	return *a.effective
}

// Accounts returns the direct children of an account, or the top-level accounts for
// parent 0, oldest first.
func (d *Directory) Accounts(parent AccountID) []Account {
	d.index.RLock()
	ids := make([]AccountID, 0, len(d.index.children[parent]))
	for id := range d.index.children[parent] {
		ids = append(ids, id)
	}
	d.index.RUnlock()
	list := make([]Account, 0, len(ids))
	for _, id := range ids {
		if a := d.accounts.get(id); a != nil {
			list = append(list, a.shown())
		}
	}
	slices.SortFunc(list, func(a, b Account) int { return compare2(a.Created, b.Created, int64(a.ID), int64(b.ID)) })
	return list
}

// Token returns a token, without its key.
func (d *Directory) Token(id TokenID) (Token, bool) {
	e := d.tokens.get(id)
	if e == nil {
		return Token{}, false
	}
	return e.token(), true
}

// Tokens returns the tokens of an account, oldest first.
func (d *Directory) Tokens(account AccountID) []Token {
	d.index.RLock()
	set := d.index.tokens[account]
	ids := set.appendTo(make([]TokenID, 0, set.len()))
	d.index.RUnlock()
	list := make([]Token, 0, len(ids))
	for _, id := range ids {
		if e := d.tokens.get(id); e != nil {
			list = append(list, e.token())
		}
	}
	slices.SortFunc(list, func(a, b Token) int { return compare2(a.Created, b.Created, int64(a.ID), int64(b.ID)) })
	return list
}

func compare2(a1, b1, a2, b2 int64) int {
	switch {
	case a1 < b1 || a1 == b1 && a2 < b2:
		return -1
	case a1 == b1 && a2 == b2:
		return 0
	}
	return 1
}

// Disguise turns a counter of the installation into a number that may be shown: it says
// nothing about how many came before, and no two counters below 2^40 give the same
// [EXT-ACC-1].
func (d *Directory) Disguise(n uint64) int64 { return int64(d.sessions.hide(n)) }

// Reveal is the inverse of Disguise; false for a number that Disguise gives for none
// below 2^40.
func (d *Directory) Reveal(id int64) (n uint64, ok bool) {
	if id < 0 || id >= 1<<idBits {
		return 0, false
	}
	return d.sessions.find(uint64(id)), true
}

// scatterBy sets the secret of the installation.
func (d *Directory) scatterBy(secret []byte) {
	d.secret, d.sessions = secret, newDisguise(secret, "session")
}

// newSecret returns the installation's secret.
func newSecret() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}
