package auth

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// limitFor makes a limit object of owner and returns its id.
func (d *Directory) limitFor(t testing.TB, owner AccountID, spec LimitSpec) int64 {
	t.Helper()
	made, err := d.CreateLimits(owner, []LimitSpec{spec}, start)
	if err != nil || made[0].Err != nil {
		t.Fatal(err, made)
	}
	return int64(made[0].Limit.ID)
}

func quota(err error) string {
	if e, ok := errors.AsType[*QuotaError](err); ok {
		return e.Limit
	}
	return ""
}

// TestLimitObjects: what is written reads back, also after a restart; what is not
// given is -1; each bad field is named [EXT-LIM-1].
func TestLimitObjects(t *testing.T) {
	m := newMemory()
	d := open(t, m)
	made, err := d.CreateLimits(Operator, []LimitSpec{
		{Name: ptr("small"), MQTTSessions: ptr[int64](0), APICalls: ptr[int64](600)},
		{Subscriptions: ptr[int64](-2)},
		{Description: ptr("second")},
	}, start)
	if err != nil || made[0].Err != nil || field(made[1].Err) != "mqtt_subscriptions" || made[2].Err != nil {
		t.Fatal(err, made)
	}
	want := Limit{ID: made[0].Limit.ID, Account: Operator, Name: "small", Created: start.Unix(), LimitValues: noLimits()}
	want.MQTTSessions, want.APICalls = 0, 600
	if got := made[0].Limit; got != want {
		t.Errorf("made %+v, want %+v", got, want)
	}
	done := d.UpdateLimits([]LimitID{want.ID, 5}, LimitSpec{APICalls: ptr[int64](-1), Blocking: ptr[int64](60)})
	want.APICalls, want.Blocking = -1, 60
	if done[0].Limit != want || !errors.Is(done[1].Err, ErrNotFound) {
		t.Errorf("changed %+v", done)
	}
	again := open(t, m)
	if got, ok := again.LimitByID(want.ID); !ok || got != want {
		t.Errorf("after a restart %+v", got)
	}
	if list := again.Limits(Operator); len(list) != 2 {
		t.Errorf("after a restart: %v", list)
	}
	if next := again.limitFor(t, Operator, LimitSpec{}); next == int64(made[0].Limit.ID) || next == int64(made[2].Limit.ID) {
		t.Error("an id came twice")
	}
	if _, err := d.CreateLimits(424242, []LimitSpec{{}}, start); !errors.Is(err, ErrNotFound) {
		t.Errorf("for no account: %v", err)
	}
	for _, c := range []struct {
		spec  LimitSpec
		field string
	}{
		{LimitSpec{Name: ptr(strings.Repeat("x", MaxNameBytes+1))}, "name"},
		{LimitSpec{Description: ptr("a\x00b")}, "description"},
		{LimitSpec{SessionStorage: ptr[int64](MaxSessionStorage + 1)}, "mqtt_session_storage"},
		{LimitSpec{Blocking: ptr[int64](MaxBlocking + 1)}, "blocking_duration"},
		{LimitSpec{APITraffic: ptr[int64](MaxLimitValue + 1)}, "api_traffic"},
		{LimitSpec{Tokens: ptr[int64](-2)}, "tokens_count"},
	} {
		if done := d.UpdateLimits([]LimitID{want.ID}, c.spec); field(done[0].Err) != c.field {
			t.Errorf("%s: %v", c.field, done[0].Err)
		}
	}
	if got, _ := d.LimitByID(want.ID); got != want {
		t.Errorf("refused changes have changed it: %+v", got)
	}
	if done := d.DeleteLimits([]LimitID{want.ID, 5}); done[0].Err != nil || !errors.Is(done[1].Err, ErrNotFound) {
		t.Errorf("deleted %+v", done)
	}
	if _, ok := open(t, m).LimitByID(want.ID); ok {
		t.Error("a deleted limit object is back")
	}
}

// TestLimitAssignment: limit_id names a limit object of the parent, the operator's at
// the top; what is in use stays [EXT-ACC-3] [EXT-ACC-1].
func TestLimitAssignment(t *testing.T) {
	m := newMemory()
	d := open(t, m)
	ours := d.limitFor(t, Operator, LimitSpec{Tokens: ptr[int64](2)})
	top, _, err := d.CreateCustomer(AccountSpec{LimitID: &ours}, TokenSpec{TTL: ptr[int64](60)}, start)
	if err != nil {
		t.Fatal(err)
	}
	theirs := d.limitFor(t, top.ID, LimitSpec{Tokens: ptr[int64](5), MQTTSessions: ptr[int64](3)})
	sub := must(d.CreateAccount(top.ID, AccountSpec{LimitID: &theirs}, start))
	for _, c := range []struct {
		name string
		err  error
	}{
		{"foreign, a child", func() error { _, err := d.CreateAccount(top.ID, AccountSpec{LimitID: &ours}, start); return err }()},
		{"missing, a child", func() error {
			_, err := d.CreateAccount(top.ID, AccountSpec{LimitID: ptr[int64](424242)}, start)
			return err
		}()},
		{"foreign, the top", func() error { _, err := d.UpdateAccount(top.ID, AccountSpec{LimitID: &theirs}); return err }()},
		{"foreign, deeper", func() error { _, err := d.CreateAccount(sub.ID, AccountSpec{LimitID: &theirs}, start); return err }()},
	} {
		if c.err == nil || c.err.Error() != "limit_id: no such limit" {
			t.Errorf("%s: %v", c.name, c.err)
		}
	}
	if _, err := d.UpdateAccount(Operator, AccountSpec{LimitID: &ours}); field(err) != "limit_id" {
		t.Errorf("the operator limits itself: %v", err)
	}
	if e := d.EffectiveLimits(sub.ID); e.Tokens != 2 || e.MQTTSessions != 3 || e.APICalls != Unlimited {
		t.Errorf("in force: %+v", e)
	}
	done := d.DeleteLimits([]LimitID{LimitID(ours), LimitID(theirs)})
	for i, user := range []AccountID{top.ID, sub.ID} {
		if field(done[i].Err) != "id" || !strings.Contains(done[i].Err.Error(), strconv.FormatInt(int64(user), 10)) {
			t.Errorf("deleting what is in use: %v", done[i].Err)
		}
	}
	for _, d := range []*Directory{d, open(t, m)} {
		if e := d.EffectiveLimits(sub.ID); e.Tokens != 2 || e.MQTTSessions != 3 {
			t.Errorf("in force: %+v", e)
		}
	}
	w := &watcher{}
	d.SetObserver(w)
	d.UpdateLimits([]LimitID{LimitID(ours)}, LimitSpec{APICalls: ptr[int64](1)})
	if got := w.take(); len(got) != 2 { // top and sub; not the operator
		t.Errorf("told %v", got)
	}
	d.UpdateLimits([]LimitID{LimitID(theirs)}, LimitSpec{Tokens: ptr[int64](7)})
	if got := w.take(); len(got) != 0 { // never more than the parent's 2
		t.Errorf("told %v", got)
	}
	d.UpdateAccount(top.ID, AccountSpec{LimitID: ptr[int64](0)})
	if got := w.take(); len(got) != 2 || d.EffectiveLimits(sub.ID).Tokens != 7 {
		t.Errorf("told %v, in force %+v", got, d.EffectiveLimits(sub.ID))
	}
	if done := d.DeleteLimits([]LimitID{LimitID(ours)}); done[0].Err != nil {
		t.Errorf("deleting what is in use no more: %v", done[0].Err)
	}
	gone, err := d.DeleteAccount(top.ID)
	if err != nil || len(gone.IDs) != 2 || gone.Tokens != 1 || gone.Limits != 1 {
		t.Errorf("deleted %+v, %v", gone, err)
	}
	if _, ok := d.LimitByID(LimitID(theirs)); ok || len(m.docs[kindLimit]) != 1 {
		t.Errorf("its limit object is left: %v", m.docs[kindLimit])
	}
}

// TestCounts: tokens_count, limits_count and subaccounts_count, the last over the whole
// tree, so that nobody multiplies itself [EXT-LIM-1].
func TestCounts(t *testing.T) {
	d := open(t, newMemory())
	id := d.limitFor(t, Operator, LimitSpec{Tokens: ptr[int64](2), Subaccounts: ptr[int64](3), Limits: ptr[int64](1)})
	top, _, err := d.CreateCustomer(AccountSpec{LimitID: &id}, TokenSpec{TTL: ptr[int64](60)}, start)
	if err != nil {
		t.Fatal(err)
	}
	made, err := d.CreateTokens(top.ID, []TokenSpec{{TTL: ptr[int64](60)}, {TTL: ptr[int64](60)}}, start)
	if err != nil || made[0].Err != nil || quota(made[1].Err) != "tokens_count" {
		t.Errorf("tokens: %v %v", err, made)
	}
	limits, err := d.CreateLimits(top.ID, []LimitSpec{{}, {}}, start)
	if err != nil || limits[0].Err != nil || quota(limits[1].Err) != "limits_count" {
		t.Errorf("limits: %v %v", err, limits)
	}
	a := must(d.CreateAccount(top.ID, AccountSpec{}, start))
	b := must(d.CreateAccount(a.ID, AccountSpec{}, start))
	must(d.CreateAccount(b.ID, AccountSpec{}, start))
	for _, parent := range []AccountID{top.ID, a.ID} {
		if _, err := d.CreateAccount(parent, AccountSpec{}, start); quota(err) != "subaccounts_count" {
			t.Errorf("a fourth account: %v", err)
		}
	}
	must(d.DeleteAccount(b.ID))
	must(d.CreateAccount(top.ID, AccountSpec{}, start))
	must(d.CreateAccount(a.ID, AccountSpec{}, start))
	if _, err := d.CreateAccount(a.ID, AccountSpec{}, start); quota(err) != "subaccounts_count" {
		t.Errorf("after a deletion: %v", err)
	}
	none := d.limitFor(t, Operator, LimitSpec{Tokens: ptr[int64](0)})
	if _, _, err := d.CreateCustomer(AccountSpec{LimitID: &none}, TokenSpec{TTL: ptr[int64](60)}, start); quota(err) != "tokens_count" {
		t.Errorf("no token at all: %v", err)
	}
}

// TestEffectiveLimitsProperty: whatever is created, changed and deleted in a tree, the
// limits in force are those of a computation from the bottom to the top, before and
// after a restart, and whoever's have changed was told.
func TestEffectiveLimitsProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMemory()
		d, err := Open(Config{OperatorToken: operatorKey, Start: start}, m, nil)
		if err != nil {
			t.Fatal(err)
		}
		w := &watcher{}
		d.SetObserver(w)
		accounts := []AccountID{Operator}
		seen := map[AccountID]EffectiveLimits{Operator: *unlimited}
		spec := rapid.Custom(func(t *rapid.T) LimitSpec {
			n := rapid.Ptr(rapid.Int64Range(-1, 3), true)
			return LimitSpec{Tokens: n.Draw(t, "tokens"), APICalls: n.Draw(t, "calls"), Blocking: n.Draw(t, "blocking")}
		})
		pick := func(what string) AccountID { return rapid.SampledFrom(accounts).Draw(t, what) }
		// limitOf draws a limit_id which is good for a child of parent.
		limitOf := func(parent AccountID) *int64 {
			if parent == 0 {
				parent = Operator
			}
			ids := []int64{-1, 0}
			for _, l := range d.Limits(parent) {
				ids = append(ids, int64(l.ID))
			}
			id := rapid.SampledFrom(ids).Draw(t, "limit")
			return &id
		}
		t.Repeat(map[string]func(*rapid.T){
			"account": func(*rapid.T) {
				parent := pick("parent")
				a, err := d.CreateAccount(parent, AccountSpec{LimitID: limitOf(parent)}, start)
				if err == nil {
					accounts = append(accounts, a.ID)
					seen[a.ID] = *d.EffectiveLimits(a.ID)
				}
			},
			"customer": func(*rapid.T) {
				a, _, err := d.CreateCustomer(AccountSpec{LimitID: limitOf(0)}, TokenSpec{TTL: ptr[int64](60)}, start)
				if err == nil {
					accounts = append(accounts, a.ID)
					seen[a.ID] = *d.EffectiveLimits(a.ID)
				}
			},
			"limit": func(t *rapid.T) {
				d.CreateLimits(pick("owner"), []LimitSpec{spec.Draw(t, "spec")}, start)
			},
			"change": func(t *rapid.T) {
				var ids []LimitID
				for _, l := range append(d.Limits(pick("owner")), d.Limits(pick("other"))...) {
					if !slices.Contains(ids, l.ID) {
						ids = append(ids, l.ID)
					}
				}
				d.UpdateLimits(ids, spec.Draw(t, "spec"))
			},
			"assign": func(t *rapid.T) {
				if a, _ := d.Account(pick("account")); a.ID != Operator {
					if _, err := d.UpdateAccount(a.ID, AccountSpec{LimitID: limitOf(a.Parent)}); err != nil {
						t.Fatal(err)
					}
				}
			},
			"delete": func(*rapid.T) {
				for _, l := range d.Limits(pick("owner")) {
					d.DeleteLimits([]LimitID{l.ID})
				}
			},
			"remove": func(*rapid.T) {
				if id := pick("account"); id != Operator {
					gone := must(d.DeleteAccount(id))
					accounts = slices.DeleteFunc(accounts, func(a AccountID) bool { return slices.Contains(gone.IDs, a) })
				}
			},
			"restart": func(t *rapid.T) {
				if d, err = Open(Config{Start: start}, m, w); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				told := w.take()
				for _, id := range accounts {
					got := *d.EffectiveLimits(id)
					if want := naiveLimits(d, id); got != want {
						t.Fatalf("account %d: %+v, want %+v", id, got, want)
					}
					if got != seen[id] && !slices.Contains(told, "account "+strconv.FormatInt(int64(id), 10)) {
						t.Fatalf("account %d was not told", id)
					}
					seen[id] = got
				}
			},
		})
	})
}

// naiveLimits computes what is in force for an account from the objects alone.
func naiveLimits(d *Directory, id AccountID) EffectiveLimits {
	e := noLimits()
	path := slices.Clone(d.Ancestors(id))
	slices.Reverse(path)
	for _, id := range path {
		a, _ := d.Account(id)
		l, ok := d.LimitByID(LimitID(a.LimitID))
		if !ok {
			continue
		}
		own := l.LimitValues.all()
		for i, above := range e.all() {
			switch {
			case *own[i] == -1:
			case LimitNames[i] == "blocking_duration" || *above == -1:
				*above = *own[i]
			default:
				*above = min(*above, *own[i])
			}
		}
	}
	return EffectiveLimits(e)
}
