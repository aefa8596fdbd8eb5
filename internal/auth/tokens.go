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
	made := make([]NewToken, len(specs))
	records := make([]*record, len(specs))
	d.write.Lock()
	defer d.write.Unlock()
	account := d.accounts.get(owner)
	if account == nil {
		return nil, ErrNotFound
	}
	next := d.write.nextToken
	docs := []Document{{}}
	for i := range specs {
		made[i].Err = d.tokenRoom(owner, len(docs))
		if made[i].Err != nil {
			continue
		}
		var id uint64
		next, id = d.nextID(next)
		made[i].Key = newKey()
		records[i], made[i].Err = d.draft(&specs[i], TokenID(id), account, made[i].Key, now.Unix())
		if made[i].Err != nil {
			made[i].Key = ""
			continue
		}
		made[i].Token = records[i].Token
		docs = append(docs, tokenDocument(records[i], records[i].Accessed))
	}
	if len(docs) == 1 {
		return made, nil
	}
	docs[0] = counterDocument(next, nil)
	if err := d.put(kindToken, docs); err != nil {
		return nil, err
	}
	d.write.nextToken = next
	for _, r := range records {
		if r != nil {
			d.install(r)
		}
	}
	return made, nil
}

// draft compiles a token that does not exist yet.
func (d *Directory) draft(spec *TokenSpec, id TokenID, owner *account, key string, now int64) (*record, error) {
	t, err := spec.apply(Token{ID: id, Account: owner.ID, Enabled: true, Created: now, Accessed: now})
	if err != nil {
		return nil, err
	}
	if t.Expire != 0 && t.Expire <= now && t.TTL == 0 {
		return nil, fieldError("expire", "is not in the future")
	}
	// Why first without secrets: making a SCRAM verifier is dear, and a wrong spec
	// must stay cheap.
	if _, err := newRecord(t, false, secrets{}, owner, d.cfg.ReservedPrefix); err != nil {
		return nil, err
	}
	return newRecord(t, false, newSecrets(key, spec.Scram != nil && *spec.Scram), owner, d.cfg.ReservedPrefix)
}

// tokenRoom refuses a token over the bounds; n are being created before it.
func (d *Directory) tokenRoom(owner AccountID, n int) error {
	d.index.RLock()
	defer d.index.RUnlock()
	if d.index.total+n > MaxTokens || len(d.index.tokens[owner])+n > MaxAccountTokens {
		return &QuotaError{Limit: "tokens_count"}
	}
	return nil
}

// nextID returns the counter after n and the id for it: not 0, nor 1, which is the
// operator's.
func (d *Directory) nextID(n uint64) (next, id uint64) {
	for {
		n++
		if id = scatter(d.secret, n); id > 1 {
			return n, id
		}
	}
}

// UpdateToken changes the fields that the spec gives, and tells the Observer. The
// error is ErrNotFound, a *FieldError, or the store's.
func (d *Directory) UpdateToken(id TokenID, spec TokenSpec) (Token, error) {
	t, err := d.updateToken(id, spec)
	if err == nil {
		d.notify().TokenChanged(id)
	}
	return t, err
}

func (d *Directory) updateToken(id TokenID, spec TokenSpec) (Token, error) {
	d.write.Lock()
	defer d.write.Unlock()
	e := d.tokens.get(id)
	if e == nil {
		return Token{}, ErrNotFound
	}
	old := e.rec.Load()
	if spec.Scram != nil && *spec.Scram != old.Scram {
		return Token{}, fieldError("scram", "is fixed at creation: the verifier is made from the key")
	}
	t, err := spec.apply(e.token())
	if err != nil {
		return Token{}, err
	}
	r, err := newRecord(t, old.permanent, old.secret, d.accounts.get(t.Account), d.cfg.ReservedPrefix)
	if err != nil {
		return Token{}, err
	}
	if err := d.put(kindToken, []Document{tokenDocument(r, t.Accessed)}); err != nil {
		return Token{}, err
	}
	d.replace(e, r)
	return e.token(), nil
}

// DeleteToken deletes a token and tells the Observer. The error is ErrNotFound or the
// store's.
func (d *Directory) DeleteToken(id TokenID) error {
	if err := d.deleteToken(id); err != nil {
		return err
	}
	d.notify().TokenGone(id)
	return nil
}

func (d *Directory) deleteToken(id TokenID) error {
	d.write.Lock()
	defer d.write.Unlock()
	e := d.tokens.get(id)
	if e == nil {
		return ErrNotFound
	}
	if err := d.put(kindToken, []Document{{ID: int64(id)}}); err != nil {
		return err
	}
	d.uninstall(e)
	return nil
}
