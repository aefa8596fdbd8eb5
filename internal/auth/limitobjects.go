package auth

import (
	"slices"
	"strconv"
	"time"
)

// limit is the immutable record of a limit object in force. Whom it limits is right
// below its owner, so what it comes to is the same for all of them.
type limit struct {
	Limit
	effective *EffectiveLimits
}

// ChangedLimit is what became of one limit object that was to be created, changed or
// deleted: Err is nil, ErrNotFound, a *FieldError, a *QuotaError, or the store's.
type ChangedLimit struct {
	Limit Limit
	Err   error
}

// LimitByID returns a limit object.
func (d *Directory) LimitByID(id LimitID) (Limit, bool) {
	l := d.limits.get(id)
	if l == nil {
		return Limit{}, false
	}
	return l.Limit, true
}

// Limits returns the limit objects of an account, oldest first.
func (d *Directory) Limits(account AccountID) []Limit {
	ids := d.limitsOf(account)
	list := make([]Limit, 0, len(ids))
	for _, id := range ids {
		if l := d.limits.get(id); l != nil {
			list = append(list, l.Limit)
		}
	}
	slices.SortFunc(list, func(a, b Limit) int { return compare2(a.Created, b.Created, int64(a.ID), int64(b.ID)) })
	return list
}

func (d *Directory) limitsOf(account AccountID) []LimitID {
	d.index.RLock()
	defer d.index.RUnlock()
	ids := make([]LimitID, 0, len(d.index.limits[account]))
	for id := range d.index.limits[account] {
		ids = append(ids, id)
	}
	return ids
}

// CreateLimits creates limit objects of an account in one durable write. The error of
// a single spec stands in its place of the answer, in the order of the specs; the
// error of the whole is ErrNotFound for the account, or the store's, and then nothing
// was created.
func (d *Directory) CreateLimits(owner AccountID, specs []LimitSpec, now time.Time) ([]ChangedLimit, error) {
	made := make([]ChangedLimit, len(specs))
	d.write.Lock()
	defer d.write.Unlock()
	account := d.accounts.get(owner)
	if account == nil {
		return nil, ErrNotFound
	}
	have := len(d.limitsOf(owner))
	next := d.write.nextLimit
	docs := []Document{{}}
	for i := range specs {
		l := Limit{Account: owner, Created: now.Unix(), LimitValues: noLimits()}
		if l, made[i].Err = specs[i].apply(l); made[i].Err != nil {
			continue
		}
		if have+len(docs) > MaxAccountLimits || beyond(account.limits.Limits, have+len(docs)) {
			made[i].Err = &QuotaError{Limit: "limits_count"}
			continue
		}
		var id uint64
		next, id = d.nextID(kindLimit, next)
		l.ID = LimitID(id)
		made[i].Limit = l
		docs = append(docs, limitDocument(l))
	}
	if len(docs) == 1 {
		return made, nil
	}
	docs[0] = counterDocument(next, nil)
	if err := d.put(kindLimit, docs); err != nil {
		return nil, err
	}
	d.write.nextLimit = next
	for i := range made {
		if made[i].Err == nil {
			d.installLimit(made[i].Limit, account.limits)
		}
	}
	return made, nil
}

// beyond tells that n are more than a limit allows.
func beyond(limit int64, n int) bool { return limit >= 0 && int64(n) > limit }

// UpdateLimits changes the fields that the spec gives in each of the limit objects, all
// in one durable write, and tells the Observer of every account whose limits in force
// are others now. The answer is in the order of the ids, which must be distinct.
func (d *Directory) UpdateLimits(ids []LimitID, spec LimitSpec) []ChangedLimit {
	done, changed := d.updateLimits(ids, spec)
	for _, id := range changed {
		d.notify().AccountChanged(id)
	}
	return done
}

func (d *Directory) updateLimits(ids []LimitID, spec LimitSpec) ([]ChangedLimit, []AccountID) {
	done := make([]ChangedLimit, len(ids))
	var docs []Document
	d.write.Lock()
	defer d.write.Unlock()
	for i, id := range ids {
		l := d.limits.get(id)
		if l == nil {
			done[i].Err = ErrNotFound
			continue
		}
		if done[i].Limit, done[i].Err = spec.apply(l.Limit); done[i].Err == nil {
			docs = append(docs, limitDocument(done[i].Limit))
		}
	}
	err := d.put(kindLimit, docs)
	owners := map[AccountID]bool{}
	for i := range done {
		if done[i].Err != nil {
			continue
		}
		if done[i].Err = err; err == nil {
			owner := done[i].Limit.Account
			d.installLimit(done[i].Limit, d.accounts.get(owner).limits)
			owners[owner] = true
		}
	}
	var changed []AccountID
	for owner := range owners {
		for _, child := range d.limitable(owner) {
			changed = append(changed, d.relimit(d.subtree(child))...)
		}
	}
	return done, changed
}

// DeleteLimits deletes limit objects in one durable write. One that still limits an
// account is not deleted: the account would be free all at once. Its FieldError names
// one of them. The answer is in the order of the ids, which must be distinct.
func (d *Directory) DeleteLimits(ids []LimitID) []ChangedLimit {
	done := make([]ChangedLimit, len(ids))
	var docs []Document
	d.write.Lock()
	defer d.write.Unlock()
	used := map[AccountID]map[LimitID]AccountID{}
	for i, id := range ids {
		l := d.limits.get(id)
		if l == nil {
			done[i].Err = ErrNotFound
			continue
		}
		if used[l.Account] == nil {
			used[l.Account] = d.limitedBelow(l.Account)
		}
		if by, ok := used[l.Account][id]; ok {
			done[i].Err = fieldError("id", "the limit is in use by account "+strconv.FormatInt(int64(by), 10))
			continue
		}
		done[i].Limit = l.Limit
		docs = append(docs, Document{ID: int64(id)})
	}
	err := d.put(kindLimit, docs)
	for i := range done {
		if done[i].Err != nil {
			continue
		}
		if done[i].Err = err; err == nil {
			d.uninstallLimit(done[i].Limit)
		}
	}
	return done
}

// limitable returns the accounts that the limit objects of owner can limit.
func (d *Directory) limitable(owner AccountID) []AccountID {
	d.index.RLock()
	defer d.index.RUnlock()
	var ids []AccountID
	for id := range d.index.children[owner] {
		ids = append(ids, id)
	}
	if owner == Operator {
		for id := range d.index.children[0] {
			if id != Operator {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// limitedBelow tells of each limit object of owner that is in use an account that it
// limits.
func (d *Directory) limitedBelow(owner AccountID) map[LimitID]AccountID {
	used := map[LimitID]AccountID{}
	for _, id := range d.limitable(owner) {
		if a := d.accounts.get(id); a.LimitID > 0 {
			used[LimitID(a.LimitID)] = id
		}
	}
	return used
}

// checkLimit refuses a limit_id that names no limit object of the parent, the
// operator's for a top-level account [EXT-ACC-3]. Another account's answers like one
// that does not exist [EXT-ACC-1].
func (d *Directory) checkLimit(a *Account) error {
	if a.LimitID <= 0 {
		return nil
	}
	if a.ID == Operator {
		return fieldError("limit_id", "the operator's account cannot be limited")
	}
	owner := a.Parent
	if owner == 0 {
		owner = Operator
	}
	if l := d.limits.get(LimitID(a.LimitID)); l == nil || l.Account != owner {
		return fieldError("limit_id", "no such limit")
	}
	return nil
}

// limitsFor returns the limits in force for an account whose parent is in force.
func (d *Directory) limitsFor(parent AccountID, id int64) *EffectiveLimits {
	if id > 0 {
		if l := d.limits.get(LimitID(id)); l != nil {
			return l.effective
		}
	}
	if above := d.accounts.get(parent); above != nil {
		return above.limits
	}
	return unlimited
}

// relimit resolves the limits of accounts again, of which parents come before
// children, and returns those that have others now. Callers hold write, or are Open.
func (d *Directory) relimit(ids []AccountID) (changed []AccountID) {
	for _, id := range ids {
		a := d.accounts.get(id)
		now := d.limitsFor(a.Parent, a.LimitID)
		if now == a.limits {
			continue
		}
		if *now != *a.limits {
			changed = append(changed, id)
		}
		n := *a
		n.limits = now
		d.accounts.put(id, &n)
		d.rederive(id, now)
	}
	return changed
}

// rederive resolves the limit objects of an account again, which come to no more than
// its own limits.
func (d *Directory) rederive(owner AccountID, limits *EffectiveLimits) {
	for _, id := range d.limitsOf(owner) {
		d.limits.put(id, newLimit(d.limits.get(id).Limit, limits))
	}
}

func newLimit(l Limit, owner *EffectiveLimits) *limit {
	e := l.LimitValues.under(owner)
	return &limit{l, &e}
}

// installLimit puts a new or changed limit object in force; owner are its owner's
// limits.
func (d *Directory) installLimit(l Limit, owner *EffectiveLimits) {
	d.limits.put(l.ID, newLimit(l, owner))
	d.index.Lock()
	addTo(d.index.limits, l.Account, l.ID)
	d.index.Unlock()
}

func (d *Directory) uninstallLimit(l Limit) {
	d.limits.remove(l.ID)
	d.index.Lock()
	removeFrom(d.index.limits, l.Account, l.ID)
	d.index.Unlock()
}

// EffectiveLimits returns the limits in force for an account: a limit's own value or
// the parent's, never more than the parent's. Nothing is limited in an account that
// does not exist.
func (d *Directory) EffectiveLimits(id AccountID) *EffectiveLimits {
	a := d.accounts.get(id)
	if a == nil {
		return unlimited
	}
	return a.limits
}
