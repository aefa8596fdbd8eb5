package auth

import (
	"time"
)

// NewToken is the answer to one TokenSpec: the token and its key, which is shown this
// once, or why there is none.
type NewToken struct {
	Token Token
	Key   string
	Err   error
}

// CreateToken creates one token; see CreateTokens.
func (d *Directory) CreateToken(owner AccountID, spec TokenSpec, now time.Time) (Token, string, error) {
	made, err := d.CreateTokens(owner, []TokenSpec{spec}, now)
	if err != nil {
		return Token{}, "", err
	}
	return made[0].Token, made[0].Key, made[0].Err
}

// CreateTokens creates tokens of an account in one durable write. The error of a
// single spec (a *FieldError or a *QuotaError) stands in its place of the answer, in
// the order of the specs; the error of the whole is ErrNotFound for the account, or
// the store's, and then nothing was created.
func (d *Directory) CreateTokens(owner AccountID, specs []TokenSpec, now time.Time) ([]NewToken, error) {
	account := d.accounts.get(owner)
	if account == nil {
		return nil, ErrNotFound
	}
	made := make([]NewToken, len(specs))
	records := make([]*record, len(specs))
	for i := range specs {
		records[i], made[i].Key, made[i].Err = d.draft(&specs[i], account, now.Unix())
	}
	d.write.Lock()
	defer d.write.Unlock()
	if account = d.accounts.get(owner); account == nil {
		return nil, ErrNotFound // deleted meanwhile; an account never moves, so the drafts are right
	}
	next := d.write.nextToken
	docs := []Document{{}}
	for i, r := range records {
		if r == nil {
			continue
		}
		if err := d.tokenRoom(account, len(docs), 0); err != nil {
			records[i], made[i] = nil, NewToken{Err: err}
			continue
		}
		var id uint64
		next, id = d.nextID(kindToken, next)
		r.identify(TokenID(id))
		made[i].Token = r.Token
		docs = append(docs, tokenDocument(r, r.Accessed))
	}
	if len(docs) == 1 {
		return made, nil
	}
	docs[0] = counterDocument(next, nil)
	if err := d.put(kindToken, docs); err != nil {
		return nil, err
	}
	d.write.nextToken = next
	for i, r := range records {
		if r != nil {
			d.install(r)
			d.guard.introduce(r.ID, made[i].Key)
		}
	}
	return made, nil
}

// draft makes a new token, still without an id, and its key. It holds no lock: an
// access list and a SCRAM verifier are dear to make, and must hold up nobody.
func (d *Directory) draft(spec *TokenSpec, owner *account, now int64) (*record, string, error) {
	t, err := spec.apply(Token{Account: owner.ID, Enabled: true, Created: now, Accessed: now})
	if err != nil {
		return nil, "", err
	}
	if t.Expire != 0 && t.Expire <= now && t.TTL == 0 {
		return nil, "", fieldError("expire", "is not in the future")
	}
	b, err := compileACL(t.Access.ACL, d.cfg.ReservedPrefix)
	if err != nil {
		return nil, "", err
	}
	// Why first without secrets: a wrong spec must stay cheap.
	if _, err := newRecord(t, false, secrets{}, owner, b); err != nil {
		return nil, "", err
	}
	key := newKey()
	r, err := newRecord(t, false, newSecrets(key, spec.Scram != nil && *spec.Scram), owner, b)
	return r, key, err
}

// tokenRoom refuses the nth new token of an account where it is over the bounds, while
// so many others are being made elsewhere.
func (d *Directory) tokenRoom(owner *account, n, others int) error {
	d.index.RLock()
	defer d.index.RUnlock()
	set := d.index.tokens[owner.ID]
	have := set.len()
	if d.index.total+n+others > MaxTokens || have+n > MaxAccountTokens || beyond(owner.limits.Tokens, have+n) {
		return &QuotaError{Limit: "tokens_count"}
	}
	return nil
}

// nextID returns the counter after n and the id for it: not 0, nor 1, which is the
// operator's. Each kind is scattered otherwise: whoever makes many tokens must not
// learn from their ids which numbers are accounts [EXT-ACC-1]. Ids that an older version
// gave, which scattered all kinds alike, are passed over.
func (d *Directory) nextID(kind string, n uint64) (next, id uint64) {
	secret := mac(d.secret, "ids of "+kind)
	for {
		n++
		if id = scatter(secret, n); id > 1 && !d.taken(kind, int64(id)) {
			return n, id
		}
	}
}

// taken tells whether something of the kind has this id.
func (d *Directory) taken(kind string, id int64) bool {
	switch kind {
	case kindAccount:
		return d.accounts.get(AccountID(id)) != nil
	case kindToken:
		return d.tokens.get(TokenID(id)) != nil
	}
	return d.limits.get(LimitID(id)) != nil
}

// ChangedToken is what became of one token that was to be changed or deleted: Err is
// nil, ErrNotFound, a *FieldError, or the store's.
type ChangedToken struct {
	Token Token
	Err   error
}

// UpdateToken changes one token; see UpdateTokens.
func (d *Directory) UpdateToken(id TokenID, spec TokenSpec) (Token, error) {
	c := d.UpdateTokens([]TokenID{id}, spec)[0]
	return c.Token, c.Err
}

// UpdateTokens changes the fields that the spec gives in each of the tokens, many in
// one durable write, and tells the Observer. The answer is in the order of the ids,
// which must be distinct.
func (d *Directory) UpdateTokens(ids []TokenID, spec TokenSpec) []ChangedToken {
	var compiled *book // of the new access list: once for all, and with no lock held
	var wrong error
	if spec.Access != nil {
		compiled, wrong = compileACL(spec.Access.ACL, d.cfg.ReservedPrefix)
	}
	return d.eachBatch(ids, func(e *entry) (Document, func(), error) {
		if wrong != nil {
			return Document{}, nil, wrong
		}
		r, err := d.redraft(e, spec, compiled)
		if err != nil {
			return Document{}, nil, err
		}
		return tokenDocument(r, r.Accessed), func() { d.replace(e, r) }, nil
	}, Observer.TokenChanged)
}

// redraft makes the record of a token after a change; a nil book is the old one.
func (d *Directory) redraft(e *entry, spec TokenSpec, b *book) (*record, error) {
	old := e.rec.Load()
	if spec.Scram != nil && *spec.Scram != old.Scram {
		return nil, fieldError("scram", "is fixed at creation: the verifier is made from the key")
	}
	t, err := spec.apply(e.token())
	if err != nil {
		return nil, err
	}
	if b == nil {
		b = old.book
	}
	return newRecord(t, old.permanent, old.secret, d.accounts.get(t.Account), b)
}

// DeleteToken deletes one token; see DeleteTokens.
func (d *Directory) DeleteToken(id TokenID) error {
	return d.DeleteTokens([]TokenID{id})[0].Err
}

// DeleteTokens deletes the tokens, many in one durable write, and tells the Observer.
// The answer is in the order of the ids, which must be distinct.
func (d *Directory) DeleteTokens(ids []TokenID) []ChangedToken {
	return d.eachBatch(ids, func(e *entry) (Document, func(), error) {
		return Document{ID: int64(e.rec.Load().ID)}, func() { d.uninstall(e) }, nil
	}, Observer.TokenGone)
}

// eachBatch prepares the change of each token, writes a batch of them at once, puts
// them in force and, with no lock held, tells of them.
func (d *Directory) eachBatch(ids []TokenID, prepare func(*entry) (Document, func(), error), tell func(Observer, TokenID)) []ChangedToken {
	all := make([]ChangedToken, 0, len(ids))
	for len(ids) > 0 {
		batch := ids[:min(len(ids), flushBatch)]
		done := d.changeBatch(batch, prepare)
		for i := range done {
			if done[i].Err == nil {
				tell(d.notify(), batch[i])
			}
		}
		all, ids = append(all, done...), ids[len(batch):]
	}
	return all
}

func (d *Directory) changeBatch(ids []TokenID, prepare func(*entry) (Document, func(), error)) []ChangedToken {
	done := make([]ChangedToken, len(ids))
	enforce := make([]func(), len(ids))
	var docs []Document
	d.write.Lock()
	defer d.write.Unlock()
	for i, id := range ids {
		e := d.tokens.get(id)
		if e == nil {
			done[i].Err = ErrNotFound
			continue
		}
		var doc Document
		if doc, enforce[i], done[i].Err = prepare(e); done[i].Err == nil {
			docs = append(docs, doc)
		}
	}
	err := d.put(kindToken, docs)
	for i, id := range ids {
		if done[i].Err != nil {
			continue
		}
		if done[i].Err = err; err == nil {
			e := d.tokens.get(id)
			enforce[i]()
			done[i].Token = e.token()
		}
	}
	return done
}
