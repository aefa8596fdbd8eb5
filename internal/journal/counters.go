package journal

import (
	"slices"
	"strconv"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/event"
)

// announceMost is how many messages are published in one go.
const announceMost = 1000

// deletedMost is how many deleted subaccounts of one account are told as such.
const deletedMost = 1000

// counters are all figures of an account, in a fixed order.
func (j *Journal) counters(account auth.AccountID, u *broker.Usage) []broker.Counter {
	n := j.cfg.Directory.Counts(account)
	calls, bytes := j.calls(account)
	return append(u.Counters(),
		broker.Counter{Name: "tokens_count", Value: int64(n.Tokens)},
		broker.Counter{Name: "subaccounts_count", Value: int64(n.Subaccounts)},
		broker.Counter{Name: "limits_count", Value: int64(n.Limits)},
		broker.Counter{Name: "api_calls", Value: int64(calls)},
		broker.Counter{Name: "api_traffic", Value: int64(bytes)},
	)
}

func (j *Journal) calls(account auth.AccountID) (calls, bytes uint64) {
	if j.cfg.Calls == nil {
		return 0, 0
	}
	return j.cfg.Calls(account)
}

// count tells the counters that have changed, in the accounts that are active
// [EXT-LOG-3], and the subaccounts of those that have just become so.
func (j *Journal) count(s Stage) {
	t := &j.teller
	again := t.missed.Swap(false)
	s.EachUsage(func(account auth.AccountID, u broker.Usage) bool {
		if _, there := j.cfg.Directory.Account(account); !there {
			return true
		}
		all := j.counters(account, &u)
		t.mu.Lock()
		x := t.of(account)
		before := x.counters
		x.counters = make([]int64, len(all))
		for i := range all {
			x.counters[i] = all[i].Value
		}
		t.mu.Unlock()
		var list []broker.Announcement
		for i, c := range all {
			if before == nil || before[i] != c.Value {
				list = append(list, broker.Announcement{
					Topic: "state/platform/customer/counters/" + c.Name, Payload: strconv.AppendInt(nil, c.Value, 10), Retain: true,
				})
			}
		}
		if len(list) > 0 {
			s.Announce(account, list)
		}
		if before == nil || again {
			j.tellSubaccounts(s, account)
		}
		return true
	})
}

// of returns what was told of an account. Under mu.
func (t *teller) of(account auth.AccountID) *told {
	x := t.accounts[account]
	if x == nil {
		x = &told{}
		t.accounts[account] = x
	}
	return x
}

// active tells whether the states of the account's subaccounts are told.
func (t *teller) active(account auth.AccountID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.accounts[account]
	return x != nil && x.counters != nil
}

// tellSubaccounts tells all subaccounts that there are.
func (j *Journal) tellSubaccounts(s Stage, account auth.AccountID) {
	list := make([]broker.Announcement, 0, announceMost)
	for _, a := range j.cfg.Directory.Accounts(account) {
		list = append(list, existing(a)...)
		if len(list)+2 > announceMost {
			s.Announce(account, list)
			list = list[:0]
		}
	}
	if len(list) > 0 {
		s.Announce(account, list)
	}
}

const subaccountState = "state/platform/subaccounts/"

// existing tells of a subaccount that is there.
func existing(a auth.Account) []broker.Announcement {
	id := strconv.FormatInt(int64(a.ID), 10)
	name := []byte(a.Name)
	if len(name) == 0 {
		name = []byte(`""`) // an empty payload would clear it
	}
	return []broker.Announcement{
		{Topic: subaccountState + id + "/id", Payload: []byte(id), Retain: true},
		{Topic: subaccountState + id + "/name", Payload: name, Retain: true},
	}
}

// follow keeps the retained states of accounts as records say that they have changed.
func (j *Journal) follow(s Stage, r *event.Record) {
	t := &j.teller
	switch {
	case r.Code == event.Request:
		t.mu.Lock()
		t.of(auth.AccountID(r.Account)).called = true
		t.mu.Unlock()
	case r.Origin == event.Subaccount && r.Code == event.Deleted:
		if _, there := j.cfg.Directory.Account(auth.AccountID(r.OriginID)); !there && r.Reason == "" {
			j.tellDeleted(s, auth.AccountID(r.Account), r.OriginID)
		}
	case r.Origin == event.Account || r.Origin == event.Subaccount:
		a, there := j.cfg.Directory.Account(auth.AccountID(r.OriginID))
		if there && a.Parent != 0 && t.active(a.Parent) {
			s.Announce(a.Parent, existing(a))
		}
	}
}

// tellDeleted tells that a subaccount is gone; of very many the oldest are no longer
// told.
func (j *Journal) tellDeleted(s Stage, parent auth.AccountID, id int64) {
	t := &j.teller
	t.mu.Lock()
	delete(t.accounts, auth.AccountID(id))
	x := t.accounts[parent]
	if x == nil || x.counters == nil || slices.Contains(x.deleted, id) {
		t.mu.Unlock()
		return
	}
	x.deleted = append(x.deleted, id)
	oldest := int64(0)
	if len(x.deleted) > deletedMost {
		oldest, x.deleted = x.deleted[0], slices.Delete(x.deleted, 0, 1)
	}
	t.mu.Unlock()
	at := subaccountState + strconv.FormatInt(id, 10)
	list := []broker.Announcement{
		{Topic: at + "/id", Retain: true}, {Topic: at + "/name", Retain: true},
		{Topic: at + "/deleted", Payload: []byte("true"), Retain: true},
	}
	if oldest != 0 {
		list = append(list, broker.Announcement{Topic: subaccountState + strconv.FormatInt(oldest, 10) + "/deleted", Retain: true})
	}
	s.Announce(parent, list)
}
