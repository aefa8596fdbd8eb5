package auth

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
