package auth

import (
	"time"
)

// CreateAccount creates an account below parent. The error is ErrNotFound for the
// parent, a *FieldError, a *QuotaError for a fifth level or too many accounts, or the
// store's [EXT-ACC-2].
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
	return a.Account, nil
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
	if err := d.tokenRoom(a.ID, 1); err != nil {
		return Account{}, NewToken{}, err
	}
	first.Access = &Access{Type: Master}
	r, key, err := d.draft(&first, a, now.Unix()) // the operator's to wait for: no list, one verifier
	if err != nil {
		return Account{}, NewToken{}, err
	}
	nextToken, id := d.nextID(d.write.nextToken)
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
	return a.Account, NewToken{Token: r.Token, Key: key}, nil
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
	d.index.RLock()
	full := d.index.accounts >= MaxAccounts
	d.index.RUnlock()
	if full {
		return nil, 0, &QuotaError{Limit: "subaccounts_count"}
	}
	next, id := d.nextID(d.write.nextAccount)
	a, err := spec.apply(Account{ID: AccountID(id), Parent: parent, Created: now.Unix()})
	if err != nil {
		return nil, 0, err
	}
	return newAccount(a, above), next, nil
}

func (d *Directory) commitAccount(a *account, next uint64) error {
	docs := []Document{counterDocument(next, d.secret), accountDocument(a.Account)}
	if err := d.put(kindAccount, docs); err != nil {
		return err
	}
	d.write.nextAccount = next
	d.installAccount(a)
	return nil
}

// UpdateAccount changes the fields that the spec gives, and tells the Observer of
// this account and of every one below it which has other settings now, or was blocked
// or unblocked with it. The error is ErrNotFound, a *FieldError, or the store's.
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
	a, err := spec.apply(old.Account)
	if err != nil {
		return Account{}, nil, err
	}
	if err := d.put(kindAccount, []Document{accountDocument(a)}); err != nil {
		return Account{}, nil, err
	}
	changed := []AccountID{}
	for i, below := range d.subtree(id) {
		was, is := d.accounts.get(below), a
		if i > 0 {
			is = was.Account
		}
		n := newAccount(is, d.accounts.get(is.Parent)) // parents come first
		d.accounts.put(below, n)
		if i == 0 || n.effective != was.effective || n.barred != was.barred {
			changed = append(changed, below)
		}
	}
	return a, changed, nil
}

// DeleteAccount deletes an account, everything below it and all their tokens, tells
// the Observer of each, and returns the ids of the accounts, so that their namespaces
// can be dropped. The operator's account cannot be deleted. The error is ErrNotFound,
// a *FieldError, or the store's; with ids beside it, the accounts are gone and only
// their tokens' documents are left over, which the next start takes away.
func (d *Directory) DeleteAccount(id AccountID) ([]AccountID, error) {
	ids, tokens, err := d.deleteAccount(id)
	for _, t := range tokens {
		d.notify().TokenGone(t)
	}
	for _, a := range ids {
		d.notify().AccountChanged(a)
	}
	return ids, err
}

func (d *Directory) deleteAccount(id AccountID) ([]AccountID, []TokenID, error) {
	if id == Operator {
		return nil, nil, fieldError("id", "the operator's account cannot be deleted")
	}
	d.write.Lock()
	defer d.write.Unlock()
	if d.accounts.get(id) == nil {
		return nil, nil, ErrNotFound
	}
	ids := d.subtree(id)
	docs := make([]Document, len(ids))
	for i, a := range ids {
		docs[i].ID = int64(a)
	}
	// The accounts' documents decide: once they are gone, so is all that they owned.
	err := d.put(kindAccount, docs)
	if err != nil {
		return nil, nil, err
	}
	var tokens []TokenID
	docs = docs[:0]
	for _, a := range ids {
		for _, t := range d.Tokens(a) {
			tokens = append(tokens, t.ID)
			docs = append(docs, Document{ID: int64(t.ID)})
			d.uninstall(d.tokens.get(t.ID))
		}
		parent := d.accounts.get(a).Parent
		d.accounts.remove(a)
		d.index.Lock()
		removeFrom(d.index.children, parent, a)
		d.index.accounts--
		d.index.Unlock()
	}
	for len(docs) > 0 && err == nil {
		batch := docs[:min(len(docs), flushBatch)]
		err = d.put(kindToken, batch)
		docs = docs[len(batch):]
	}
	return ids, tokens, err
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
