package auth

import (
	"fmt"
)

// operatorTokenID is the id of the operator's first token.
const operatorTokenID TokenID = 1

// load reads everything from the store and takes away what a crash has left half
// deleted: what belongs to an account that is gone. The account's document is always
// the one that decides: a tree is deleted by deleting its accounts' documents in one
// batch, and its tokens after that; a customer and its first token are created the
// other way round.
func (d *Directory) load() error {
	loaded := map[AccountID]Account{}
	err := d.store.LoadDocuments(kindAccount, func(id int64, doc []byte) error {
		if id == counterID {
			c, err := decode(kindAccount, id, doc, func(c *counterDoc) int { return c.Version })
			d.write.nextAccount = c.Next
			d.scatterBy(c.Secret)
			return err
		}
		a, err := decode(kindAccount, id, doc, func(a *accountDoc) int { return a.Version })
		loaded[AccountID(id)] = a.Account
		return err
	})
	if err != nil {
		return err
	}
	var orphans []Document
	for id := range loaded {
		if d.raise(loaded, id, 0) == nil {
			orphans = append(orphans, Document{ID: int64(id)})
		}
	}
	if err := d.put(kindAccount, orphans); err != nil {
		return err
	}
	if err := d.loadLimits(); err != nil {
		return err
	}
	orphans = nil
	err = d.store.LoadDocuments(kindToken, func(id int64, doc []byte) error {
		if id == counterID {
			c, err := decode(kindToken, id, doc, func(c *counterDoc) int { return c.Version })
			d.write.nextToken = c.Next
			return err
		}
		t, err := decode(kindToken, id, doc, func(t *tokenDoc) int { return t.Version })
		if err != nil {
			return err
		}
		owner := d.accounts.get(t.Account)
		if owner == nil {
			orphans = append(orphans, Document{ID: id})
			return nil
		}
		b, err := compileACL(t.Access.ACL, d.cfg.ReservedPrefix)
		if err != nil {
			return fmt.Errorf("auth: token %d: %w", id, err)
		}
		r, err := newRecord(t.Token, t.Permanent, t.Secret, owner, b)
		if err != nil {
			return fmt.Errorf("auth: token %d: %w", id, err)
		}
		d.install(r)
		return nil
	})
	if err != nil {
		return err
	}
	return d.put(kindToken, orphans)
}

// loadLimits reads the limit objects, once all accounts are there, and takes away those
// whose account is gone.
func (d *Directory) loadLimits() error {
	var orphans []Document
	err := d.store.LoadDocuments(kindLimit, func(id int64, doc []byte) error {
		if id == counterID {
			c, err := decode(kindLimit, id, doc, func(c *counterDoc) int { return c.Version })
			d.write.nextLimit = c.Next
			return err
		}
		l, err := decode(kindLimit, id, doc, func(l *limitDoc) int { return l.Version })
		if err != nil {
			return err
		}
		if d.accounts.get(l.Account) == nil {
			orphans = append(orphans, Document{ID: id})
			return nil
		}
		d.installLimit(l.Limit, unlimited)
		return nil
	})
	if err != nil {
		return err
	}
	d.relimit(d.subtree(0)[1:])
	return d.put(kindLimit, orphans)
}

// raise puts a loaded account in force, its parents first; nil when it hangs on none,
// on itself, or too deep.
func (d *Directory) raise(loaded map[AccountID]Account, id AccountID, depth int) *account {
	if a := d.accounts.get(id); a != nil {
		return a
	}
	a, ok := loaded[id]
	if !ok || depth >= MaxDepth {
		return nil
	}
	var parent *account
	if a.Parent != 0 {
		if parent = d.raise(loaded, a.Parent, depth+1); parent == nil {
			return nil
		}
	}
	n := newAccount(a, parent, unlimited) // until loadLimits has them all
	d.installAccount(n)
	return n
}

// installOperator creates the operator's account and token on the first start, and on
// any start gives the token the key of the configuration [EXT-TOK-9].
func (d *Directory) installOperator() error {
	d.write.Lock()
	defer d.write.Unlock()
	first := d.secret == nil
	key := d.cfg.OperatorToken
	if !first && key == "" {
		return nil
	}
	now := d.cfg.Start.Unix()
	owner := newAccount(Account{ID: Operator, Name: "operator", Created: now}, nil, unlimited)
	if !first {
		if owner = d.accounts.get(Operator); owner == nil {
			return fmt.Errorf("auth: the operator's account is missing")
		}
	}
	if key == "" {
		key = newKey()
		d.firstKey = key
	}
	old := d.tokens.get(operatorTokenID)
	token := Token{ID: operatorTokenID, Account: Operator, Info: "operator", Enabled: true,
		Created: now, Accessed: now, Access: Access{Type: Master}}
	if old != nil {
		token = old.token()
	}
	secret := newSecrets(key, false)
	d.guard.introduce(operatorTokenID, key)
	if same := d.keys.get(secret.Key); same != nil {
		if same == old {
			return nil
		}
		return fieldError("operator_token", "is the key of another token")
	}
	b, err := compileACL(token.Access.ACL, d.cfg.ReservedPrefix)
	if err != nil {
		return err
	}
	r, err := newRecord(token, true, secret, owner, b)
	if err != nil {
		return err
	}
	if err := d.put(kindToken, []Document{counterDocument(d.write.nextToken, nil), tokenDocument(r, token.Accessed)}); err != nil {
		return err
	}
	if first {
		d.scatterBy(newSecret())
		if err := d.put(kindAccount, []Document{counterDocument(0, d.secret), accountDocument(owner.shown())}); err != nil {
			return err
		}
		d.installAccount(owner)
	}
	if old != nil {
		d.replace(old, r)
	} else {
		d.install(r)
	}
	return nil
}

// put writes documents, if there are any.
func (d *Directory) put(kind string, docs []Document) error {
	if len(docs) == 0 {
		return nil
	}
	if err := d.store.PutDocuments(kind, docs); err != nil {
		return fmt.Errorf("auth: writing %d %s documents: %w", len(docs), kind, err)
	}
	return nil
}

// installAccount puts a new account in force.
func (d *Directory) installAccount(a *account) {
	d.accounts.put(a.ID, a)
	d.index.Lock()
	addTo(d.index.children, a.Parent, a.ID)
	d.index.accounts++
	for _, above := range a.ancestors[1:] {
		d.index.below[above]++
	}
	d.index.Unlock()
}

// uninstallAccount takes a deleted account out of force, its children before it.
func (d *Directory) uninstallAccount(a *account) {
	d.accounts.remove(a.ID)
	d.index.Lock()
	removeFrom(d.index.children, a.Parent, a.ID)
	d.index.accounts--
	for _, above := range a.ancestors[1:] {
		if d.index.below[above]--; d.index.below[above] == 0 {
			delete(d.index.below, above)
		}
	}
	d.index.Unlock()
}

// install puts a new token in force. Callers hold write, or are Open.
func (d *Directory) install(r *record) *entry {
	e := &entry{slot: -1}
	e.rec.Store(r)
	e.accessed.Store(r.Accessed)
	d.tokens.put(r.ID, e)
	d.keys.put(r.secret.Key, e)
	d.index.Lock()
	set := d.index.tokens[r.Account]
	set.add(r.ID)
	d.index.tokens[r.Account] = set
	d.index.total++
	d.index.Unlock()
	d.schedule(e)
	return e
}

// replace puts a changed record of a token in force. Callers hold write.
func (d *Directory) replace(e *entry, r *record) {
	old := e.rec.Swap(r)
	if old.secret.Key != r.secret.Key {
		d.keys.remove(old.secret.Key)
		d.keys.put(r.secret.Key, e)
	}
	d.schedule(e)
}

// uninstall takes a deleted token out of force. Callers hold write.
func (d *Directory) uninstall(e *entry) {
	r := e.rec.Load()
	e.gone.Store(true)
	d.tokens.remove(r.ID)
	d.keys.remove(r.secret.Key)
	d.unschedule(e)
	d.index.Lock()
	set := d.index.tokens[r.Account]
	if set.remove(r.ID); set.len() > 0 {
		d.index.tokens[r.Account] = set
	} else {
		delete(d.index.tokens, r.Account)
	}
	d.index.total--
	d.index.Unlock()
	d.used.Lock()
	delete(d.used.live, r.ID)
	d.used.Unlock()
}

func addTo[K, V comparable](m map[K]map[V]struct{}, k K, v V) {
	if m[k] == nil {
		m[k] = map[V]struct{}{}
	}
	m[k][v] = struct{}{}
}

func removeFrom[K, V comparable](m map[K]map[V]struct{}, k K, v V) {
	delete(m[k], v)
	if len(m[k]) == 0 {
		delete(m, k)
	}
}
