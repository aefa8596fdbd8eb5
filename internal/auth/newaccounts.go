package auth

import "time"

// NewAccount is the answer to one AccountSpec or CustomerSpec: the account, a customer's
// first token with its key, which is shown this once, or why there is none.
type NewAccount struct {
	Account Account
	Token   Token
	Key     string
	Err     error
}

// CustomerSpec is what a caller wants of a top-level account and of its first token,
// whose access is always master [EXT-ACC-3].
type CustomerSpec struct {
	Account AccountSpec
	Token   TokenSpec
}

// accountDrafts are accounts that are not in force yet.
type accountDrafts struct {
	next uint64 // the counter after them
	list []*account
}

// CreateAccount creates one account; see CreateAccounts.
func (d *Directory) CreateAccount(parent AccountID, spec AccountSpec, now time.Time) (Account, error) {
	made, err := d.CreateAccounts(parent, []AccountSpec{spec}, now)
	if err != nil {
		return Account{}, err
	}
	return made[0].Account, made[0].Err
}

// CreateAccounts creates accounts below parent in one durable write. The error of a
// single spec stands in its place of the answer, in the order of the specs: a
// *FieldError, or a *QuotaError for a fifth level or for subaccounts_count of the parent
// or of one above it [EXT-ACC-2] [EXT-LIM-1]. The error of the whole is ErrNotFound for
// the parent, or the store's, and then nothing was created.
func (d *Directory) CreateAccounts(parent AccountID, specs []AccountSpec, now time.Time) ([]NewAccount, error) {
	d.write.Lock()
	defer d.write.Unlock()
	above := d.accounts.get(parent)
	if above == nil {
		return nil, ErrNotFound
	}
	made := make([]NewAccount, len(specs))
	drafts := accountDrafts{next: d.write.nextAccount}
	for i := range specs {
		a, err := d.draftAccount(&drafts, above, specs[i], now)
		if err != nil {
			made[i].Err = err
			continue
		}
		made[i].Account = a.shown()
	}
	if err := d.commitAccounts(&drafts); err != nil {
		return nil, err
	}
	return made, nil
}

// CreateCustomer creates one top-level account; see CreateCustomers.
func (d *Directory) CreateCustomer(spec AccountSpec, first TokenSpec, now time.Time) (Account, NewToken, error) {
	made := d.CreateCustomers([]CustomerSpec{{spec, first}}, now)[0]
	return made.Account, NewToken{Token: made.Token, Key: made.Key}, made.Err
}

// CreateCustomers creates top-level accounts, each with a master token, many in one
// durable write [EXT-ACC-3]. The answer is in the order of the specs; its errors are
// those of CreateAccounts and CreateTokens.
func (d *Directory) CreateCustomers(specs []CustomerSpec, now time.Time) []NewAccount {
	made := make([]NewAccount, len(specs))
	for at := 0; at < len(specs); {
		// A SCRAM verifier takes milliseconds: others may come between two of them.
		n := 1
		for at+n < len(specs) && n < flushBatch && !specs[at].Token.scram() && !specs[at+n].Token.scram() {
			n++
		}
		d.createCustomers(specs[at:at+n], made[at:at+n], now)
		at += n
	}
	return made
}

func (s *TokenSpec) scram() bool { return s.Scram != nil && *s.Scram }

func (d *Directory) createCustomers(specs []CustomerSpec, made []NewAccount, now time.Time) {
	d.write.Lock()
	defer d.write.Unlock()
	drafts := accountDrafts{next: d.write.nextAccount}
	nextToken := d.write.nextToken
	var records []*record
	docs := []Document{{}}
	for i := range specs {
		r, a, key, err := d.draftCustomer(&drafts, &specs[i], now)
		if err != nil {
			made[i].Err = err
			continue
		}
		var id uint64
		nextToken, id = d.nextID(kindToken, nextToken)
		r.identify(TokenID(id))
		made[i] = NewAccount{Account: a.shown(), Token: r.Token, Key: key}
		records, docs = append(records, r), append(docs, tokenDocument(r, r.Accessed))
	}
	if len(records) == 0 {
		return
	}
	// Why in this order: load takes away a token without an account, so a crash in
	// between leaves nothing.
	docs[0] = counterDocument(nextToken, nil)
	err := d.put(kindToken, docs)
	if err == nil {
		d.write.nextToken = nextToken
		err = d.commitAccounts(&drafts)
	}
	if err != nil {
		for i := range made {
			if made[i].Err == nil {
				made[i] = NewAccount{Err: err}
			}
		}
		return
	}
	for _, r := range records {
		d.install(r)
	}
	for i := range made {
		if made[i].Err == nil {
			d.guard.introduce(made[i].Token.ID, made[i].Key)
		}
	}
}

// draftCustomer makes a top-level account and its token, not in force yet. Callers hold
// write.
func (d *Directory) draftCustomer(drafts *accountDrafts, spec *CustomerSpec, now time.Time) (*record, *account, string, error) {
	before := *drafts
	a, err := d.draftAccount(drafts, nil, spec.Account, now)
	if err != nil {
		return nil, nil, "", err
	}
	token := spec.Token
	token.Access = &Access{Type: Master}
	var r *record
	var key string
	if err = d.tokenRoom(a, 1, len(before.list)); err == nil {
		r, key, err = d.draft(&token, a, now.Unix())
	}
	if err != nil {
		*drafts = before
	}
	return r, a, key, err
}

// draftAccount makes an account that is not in force yet. Callers hold write.
func (d *Directory) draftAccount(drafts *accountDrafts, above *account, spec AccountSpec, now time.Time) (*account, error) {
	parent := AccountID(0)
	if above != nil {
		if len(above.ancestors) >= MaxDepth {
			return nil, &QuotaError{Limit: "levels of accounts"}
		}
		parent = above.ID
	}
	if !d.accountRoom(above, len(drafts.list)+1) {
		return nil, &QuotaError{Limit: "subaccounts_count"}
	}
	next, id := d.nextID(kindAccount, drafts.next)
	a, err := spec.apply(Account{ID: AccountID(id), Parent: parent, Created: now.Unix()})
	if err == nil {
		err = d.checkLimit(&a)
	}
	if err != nil {
		return nil, err
	}
	n := newAccount(a, above, d.limitsFor(a.Parent, a.LimitID))
	drafts.next, drafts.list = next, append(drafts.list, n)
	return n, nil
}

// accountRoom tells whether there may be n more accounts below the given one, nil for
// top-level ones. Each account above counts all that are below it, so that nobody multiplies what is
// granted by making more accounts.
func (d *Directory) accountRoom(above *account, n int) bool {
	d.index.RLock()
	defer d.index.RUnlock()
	if d.index.accounts+n > MaxAccounts {
		return false
	}
	if above == nil {
		return true
	}
	for _, id := range above.ancestors {
		if beyond(d.accounts.get(id).limits.Subaccounts, d.index.below[id]+n) {
			return false
		}
	}
	return true
}

// commitAccounts writes drafts and puts them in force.
func (d *Directory) commitAccounts(drafts *accountDrafts) error {
	if len(drafts.list) == 0 {
		return nil
	}
	docs := []Document{counterDocument(drafts.next, d.secret)}
	for _, a := range drafts.list {
		docs = append(docs, accountDocument(a.shown()))
	}
	if err := d.put(kindAccount, docs); err != nil {
		return err
	}
	d.write.nextAccount = drafts.next
	for _, a := range drafts.list {
		d.installAccount(a)
	}
	return nil
}
