package auth

import (
	"crypto/sha256"
	"net/netip"
	"strconv"
	"time"
)

// Credentials are what a CONNECT presents, and from where. The slices are borrowed
// for the call.
type Credentials struct {
	HasUsername bool
	Username    []byte
	HasPassword bool
	Password    []byte
	Addr        netip.Addr // zero when the transport has none
}

// Login finds the token that the credentials present [EXT-TOK-2]: (a) the user name is
// a key, alone or after "FlespiToken" or "Bearer"; (b) else the password is; (c) else
// the user name is a token's id and the password the first 16 characters of its key.
// The error is an *mqtt.Error: 0x86 for no such token, 0x87 for one that is disabled,
// has expired or is not valid from this address, 0x8A for a blocked account, 0x9F where
// there were too many failed logins (see Config.FailedLogins). Where the token is known
// the *mqtt.Error is inside of a *Refusal.
func (d *Directory) Login(c Credentials, now time.Time) (*Grant, error) {
	a := d.guard.attempt(c.Addr, now)
	var l lookup
	if c.HasUsername {
		l.byKey(d, &a, bareKey(c.Username))
	}
	if l.entry == nil && c.HasPassword {
		l.byKey(d, &a, bareKey(c.Password))
	}
	if l.entry == nil && c.HasUsername && c.HasPassword {
		l.byShort(d, &a, c.Username, c.Password)
	}
	if l.entry == nil && !c.HasUsername && !c.HasPassword {
		return nil, errCredentials // nothing was tried
	}
	return d.enter(&a, &l, c.Addr, now)
}

// LoginKey finds the token of a key, for REST: the key alone or after a scheme. The
// errors are those of Login.
func (d *Directory) LoginKey(key string, addr netip.Addr, now time.Time) (*Grant, error) {
	a := d.guard.attempt(addr, now)
	var l lookup
	l.byKey(d, &a, bareKey([]byte(key)))
	return d.enter(&a, &l, addr, now)
}

// Identify returns the token of a key, whether it may be used or not [EXT-REST-11].
// The error is 0x86 where there is none and 0x9F as for Login.
func (d *Directory) Identify(key string, addr netip.Addr, now time.Time) (Token, error) {
	a := d.guard.attempt(addr, now)
	var l lookup
	l.byKey(d, &a, bareKey([]byte(key)))
	if l.entry == nil {
		return Token{}, l.refuse(&a)
	}
	d.guard.remember(l.mark)
	return l.entry.token(), nil
}

// enter ends a login.
func (d *Directory) enter(a *attempt, l *lookup, addr netip.Addr, now time.Time) (*Grant, error) {
	if l.entry == nil {
		return nil, l.refuse(a)
	}
	d.guard.remember(l.mark)
	return d.admit(l.entry, addr, now)
}

// Anonymous returns the grant of the token that stands in for clients without
// credentials. The errors are those of Login.
func (d *Directory) Anonymous(id TokenID, addr netip.Addr, now time.Time) (*Grant, error) {
	e := d.tokens.get(id)
	if e == nil {
		return nil, errCredentials
	}
	return d.admit(e, addr, now)
}

// Revalidate returns the grant that is now in force for a live connection of the
// token. An error means that the connection must end: the token is gone, disabled,
// expired or not valid from this address (0x87), or its account is blocked (0x8A,
// which CONNACK may carry but DISCONNECT may not) [EXT-TOK-8] [EXT-ACC-4].
func (d *Directory) Revalidate(id TokenID, addr netip.Addr, now time.Time) (*Grant, error) {
	e := d.tokens.get(id)
	if e == nil {
		return nil, errGone
	}
	r := e.rec.Load()
	if err := d.standing(e, r, now); err != nil {
		return nil, err
	}
	if !addressAllowed(r.masks, addr) {
		return nil, errAddress
	}
	return r.grant, nil
}

// Standing is Revalidate without an address: for what acts later in a token's name,
// as a Will does [EXT-TOK-9].
func (d *Directory) Standing(id TokenID, now time.Time) (*Grant, error) {
	e := d.tokens.get(id)
	if e == nil {
		return nil, errGone
	}
	r := e.rec.Load()
	if err := d.standing(e, r, now); err != nil {
		return nil, err
	}
	return r.grant, nil
}

func (d *Directory) standing(e *entry, r *record, now time.Time) error {
	if err := e.valid(r, now.Unix()); err != nil {
		return err
	}
	if d.Blocked(r.Account) {
		return errBlocked
	}
	return nil
}

// admit lets a found token in, or says why not, and notes the use.
func (d *Directory) admit(e *entry, addr netip.Addr, now time.Time) (*Grant, error) {
	r := e.rec.Load()
	err := d.standing(e, r, now)
	if err == nil && !addressAllowed(r.masks, addr) {
		err = errAddress
	}
	if err != nil {
		return nil, &Refusal{Token: r.ID, Account: r.Account, Cause: err}
	}
	d.touch(e, r.ID, now.Unix())
	return r.grant, nil
}

// lookup is a search for a token by what a client presents.
type lookup struct {
	entry *entry
	named *entry      // the token in whose name a short key was wrong
	mark  fingerprint // of what was right
	// held says that something was not looked at, because of too many failures.
	held bool
}

// refuse counts the failure of a login that found no token, and returns its error.
func (l *lookup) refuse(a *attempt) error {
	if l.held || a.shut {
		return errRate
	}
	a.end()
	if l.named != nil {
		r := l.named.rec.Load()
		return &Refusal{Token: r.ID, Account: r.Account, Cause: errCredentials}
	}
	return errCredentials
}

// byKey finds a token by its whole key. What was presented is hashed before anything
// is looked up or compared, so the time taken tells nothing about stored keys, and an
// unknown key costs what a known one does [EXT-TOK-1].
func (l *lookup) byKey(d *Directory, a *attempt, key []byte) {
	if !isKey(key) {
		return
	}
	mark, may := a.mayTry(nil, key)
	if !may {
		l.held = true
		return
	}
	presented := sha256.Sum256(key)
	e, stored := d.keys.get(presented), hash{}
	if e != nil {
		stored = e.rec.Load().secret.Key
	}
	if !sameHash(&presented, &stored) {
		a.failed(nil, mark)
		return
	}
	l.entry, l.mark = e, mark
}

// byShort finds a token by its id and the first characters of its key. An unknown id
// is compared with a dummy: it costs what a known one does [EXT-TOK-1].
func (l *lookup) byShort(d *Directory, a *attempt, username, password []byte) {
	id, ok := parseTokenID(username)
	if !ok || len(password) != ShortLength {
		return
	}
	mark, may := a.mayTry(username, password)
	if !may {
		l.held = true
		return
	}
	secret := &dummySecrets
	e := d.tokens.get(id)
	if e != nil {
		secret = &e.rec.Load().secret
	}
	presented := shortHash(secret.ShortSalt, password)
	if !sameHash(&presented, &secret.Short) || e == nil {
		l.named = e
		a.failed(username, mark)
		return
	}
	l.entry, l.mark = e, mark
}

// dummySecrets stand in for those of a token that does not exist. The hash of
// nothing: no password gives it.
var dummySecrets secrets

// bareKey takes off a scheme before the key. Schemes compare without case, as in HTTP.
func bareKey(b []byte) []byte {
	for _, scheme := range [...]string{"flespitoken ", "bearer "} {
		if len(b) == len(scheme)+KeyLength && equalFold(b[:len(scheme)], scheme) {
			return b[len(scheme):]
		}
	}
	return b
}

// equalFold compares ASCII text with a lower-case one.
func equalFold(b []byte, lower string) bool {
	for i := range b {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// parseTokenID reads a decimal id in its one spelling: no sign, no leading zero.
func parseTokenID[T ~string | ~[]byte](b T) (TokenID, bool) {
	if len(b) == 0 || len(b) > 18 || b[0] == '0' {
		return 0, false
	}
	id := TokenID(0)
	for i := range len(b) {
		c := b[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		id = id*10 + TokenID(c-'0')
	}
	return id, true
}

// appendID appends an id in that spelling.
func appendID(dst []byte, id TokenID) []byte { return strconv.AppendInt(dst, int64(id), 10) }
