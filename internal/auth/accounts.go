package auth

import (
	"time"
)

// CreateAccount creates an account below parent. The error is ErrNotFound for the
// parent, a *FieldError, a *QuotaError for a fifth level or for subaccounts_count of the
// parent or of one above it, or the store's [EXT-ACC-2] [EXT-LIM-1].
func (d *Directory) CreateAccount(parent AccountID, spec AccountSpec, now time.Time) (Account, error) {
	d.write.Lock()
	defer d.write.Unlock()
	above := d.accounts.get(parent)
	if above == nil {
		return Account{}, ErrNotFound
	}
	a, next, err := d.draftAccount(above, spec, now)
	if err != nil {
		return Account{}, err
	}
	if err := d.commitAccount(a, next); err != nil {
		return Account{}, err
	}
	return a.shown(), nil
}

// CreateCustomer creates a top-level account and its first master token, and returns
// the token's key this once [EXT-ACC-3]. The errors are those of CreateAccount; the
// token's fields are checked as in CreateToken, and its access is always master.
func (d *Directory) CreateCustomer(spec AccountSpec, first TokenSpec, now time.Time) (Account, NewToken, error) {
	d.write.Lock()
	defer d.write.Unlock()
	a, nextAccount, err := d.draftAccount(nil, spec, now)
	if err != nil {
		return Account{}, NewToken{}, err
	}
	if err := d.tokenRoom(a, 1); err != nil {
		return Account{}, NewToken{}, err
	}
	first.Access = &Access{Type: Master}
	r, key, err := d.draft(&first, a, now.Unix()) // the operator's to wait for: no list, one verifier
	if err != nil {
		return Account{}, NewToken{}, err
	}
	nextToken, id := d.nextID(kindToken, d.write.nextToken)
	r.identify(TokenID(id))
	// Why in this order: load takes away a token without an account, so a crash in
	// between leaves nothing.
	err = d.put(kindToken, []Document{counterDocument(nextToken, nil), tokenDocument(r, r.Accessed)})
	if err != nil {
		return Account{}, NewToken{}, err
	}
	d.write.nextToken = nextToken
	if err := d.commitAccount(a, nextAccount); err != nil {
		return Account{}, NewToken{}, err
	}
	d.install(r)
	d.guard.introduce(r.ID, key)
	return a.shown(), NewToken{Token: r.Token, Key: key}, nil
}

// draftAccount makes an account that is not in force yet, and the counter after it.
// Callers hold write.
func (d *Directory) draftAccount(above *account, spec AccountSpec, now time.Time) (*account, uint64, error) {
	parent := AccountID(0)
	if above != nil {
		if len(above.ancestors) >= MaxDepth {
			return nil, 0, &QuotaError{Limit: "levels of accounts"}
		}
		parent = above.ID
	}
	if !d.accountRoom(above) {
		return nil, 0, &QuotaError{Limit: "subaccounts_count"}
	}
	next, id := d.nextID(kindAccount, d.write.nextAccount)
	a, err := spec.apply(Account{ID: AccountID(id), Parent: parent, Created: now.Unix()})
	if err != nil {
		return nil, 0, err
	}
	if err := d.checkLimit(&a); err != nil {
		return nil, 0, err
	}
	return newAccount(a, above, d.limitsFor(a.Parent, a.LimitID)), next, nil
}

// accountRoom tells whether there may be one more account below the given one. Each
// account above counts all that are below it, so that nobody multiplies what is
// granted by making more accounts.
func (d *Directory) accountRoom(above *account) bool {
	d.index.RLock()
	defer d.index.RUnlock()
	if d.index.accounts >= MaxAccounts {
		return false
	}
	if above == nil {
		return true
	}
	for _, id := range above.ancestors {
		if beyond(d.accounts.get(id).limits.Subaccounts, d.index.below[id]+1) {
			return false
		}
	}
	return true
}

func (d *Directory) commitAccount(a *account, next uint64) error {
	docs := []Document{counterDocument(next, d.secret), accountDocument(a.shown())}
	if err := d.put(kindAccount, docs); err != nil {
		return err
	}
	d.write.nextAccount = next
	d.installAccount(a)
	return nil
}

// UpdateAccount changes the fields that the spec gives, and tells the Observer of
// this account and of every one below it which has other settings or limits now, or was
// blocked or unblocked with it. The error is ErrNotFound, a *FieldError, or the store's.
func (d *Directory) UpdateAccount(id AccountID, spec AccountSpec) (Account, error) {
	a, changed, err := d.updateAccount(id, spec)
	for _, id := range changed {
		d.notify().AccountChanged(id)
	}
	return a, err
}

func (d *Directory) updateAccount(id AccountID, spec AccountSpec) (Account, []AccountID, error) {
	d.write.Lock()
	defer d.write.Unlock()
	old := d.accounts.get(id)
	if old == nil {
		return Account{}, nil, ErrNotFound
	}
	a, err := spec.apply(old.shown())
	if err != nil {
		return Account{}, nil, err
	}
	if spec.LimitID != nil {
		if err := d.checkLimit(&a); err != nil {
			return Account{}, nil, err
		}
	}
	if err := d.put(kindAccount, []Document{accountDocument(a)}); err != nil {
		return Account{}, nil, err
	}
	changed := []AccountID{}
	for i, below := range d.subtree(id) {
		was, is := d.accounts.get(below), a
		if i > 0 {
			is = was.shown()
		}
		n := newAccount(is, d.accounts.get(is.Parent), d.limitsFor(is.Parent, is.LimitID)) // parents come first
		d.accounts.put(below, n)
		if n.limits != was.limits {
			d.rederive(below, n.limits)
		}
		if i == 0 || *n.effective != *was.effective || n.barred != was.barred || *n.limits != *was.limits {
			changed = append(changed, below)
		}
	}
	return a, changed, nil
}

// DeletedAccounts is what went with an account.
type DeletedAccounts struct {
	IDs    []AccountID // itself first, and all below it
	Tokens int
	Limits int // limit objects
}

// DeleteAccount deletes an account, everything below it and all their tokens and limit
// objects, tells the Observer of each token and account, and returns what is gone, so
// that the namespaces can be dropped. The operator's account cannot be deleted. The
// error is ErrNotFound, a *FieldError, or the store's; with ids beside it, the accounts
// are gone and only documents of what they owned are left over, which the next start
// takes away.
func (d *Directory) DeleteAccount(id AccountID) (DeletedAccounts, error) {
	gone, tokens, err := d.deleteAccount(id)
	for _, t := range tokens {
		d.notify().TokenGone(t)
	}
	for _, a := range gone.IDs {
		d.notify().AccountChanged(a)
	}
	return gone, err
}

func (d *Directory) deleteAccount(id AccountID) (gone DeletedAccounts, tokens []TokenID, err error) {
	if id == Operator {
		return gone, nil, fieldError("id", "the operator's account cannot be deleted")
	}
	d.write.Lock()
	defer d.write.Unlock()
	if d.accounts.get(id) == nil {
		return gone, nil, ErrNotFound
	}
	ids := d.subtree(id)
	docs := make([]Document, len(ids))
	for i, a := range ids {
		docs[i].ID = int64(a)
	}
	// The accounts' documents decide: once they are gone, so is all that they owned.
	if err := d.put(kindAccount, docs); err != nil {
		return gone, nil, err
	}
	var tokenDocs, limitDocs []Document
	for i := len(ids) - 1; i >= 0; i-- {
		a := d.accounts.get(ids[i])
		for _, t := range d.Tokens(a.ID) {
			tokens = append(tokens, t.ID)
			tokenDocs = append(tokenDocs, Document{ID: int64(t.ID)})
			d.uninstall(d.tokens.get(t.ID))
		}
		for _, l := range d.Limits(a.ID) {
			limitDocs = append(limitDocs, Document{ID: int64(l.ID)})
			d.uninstallLimit(l)
		}
		d.uninstallAccount(a)
	}
	gone = DeletedAccounts{IDs: ids, Tokens: len(tokens), Limits: len(limitDocs)}
	err = d.putBatches(kindToken, tokenDocs)
	if err == nil {
		err = d.putBatches(kindLimit, limitDocs)
	}
	return gone, tokens, err
}

// putBatches writes many documents, no more than flushBatch at once.
func (d *Directory) putBatches(kind string, docs []Document) (err error) {
	for len(docs) > 0 && err == nil {
		batch := docs[:min(len(docs), flushBatch)]
		err = d.put(kind, batch)
		docs = docs[len(batch):]
	}
	return err
}

// subtree returns an account and all below it, parents before children.
func (d *Directory) subtree(id AccountID) []AccountID {
	ids := []AccountID{id}
	d.index.RLock()
	defer d.index.RUnlock()
	for i := 0; i < len(ids); i++ {
		for child := range d.index.children[ids[i]] {
			ids = append(ids, child)
		}
	}
	return ids
}

// Descendants returns an account and all below it, parents before children; nil when
// it does not exist.
func (d *Directory) Descendants(id AccountID) []AccountID {
	if d.accounts.get(id) == nil {
		return nil
	}
	return d.subtree(id)
}
