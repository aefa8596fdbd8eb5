package auth

import (
	"errors"
	"testing"
)

// TestManyAccounts: arrays are written at once, each wrong item is refused alone, and
// limits hold inside an array too.
func TestManyAccounts(t *testing.T) {
	m := newMemory()
	d := open(t, m)
	id := d.limitFor(t, Operator, LimitSpec{Subaccounts: ptr[int64](2), Tokens: ptr[int64](0)})
	before := m.puts
	top := must(d.CreateAccount(Operator, AccountSpec{LimitID: &id}, start))
	made, err := d.CreateAccounts(top.ID, []AccountSpec{{Name: ptr("a")}, {Name: ptr("\x00")}, {Name: ptr("b")}, {Name: ptr("c")}}, start)
	if err != nil || made[0].Err != nil || field(made[1].Err) != "name" || made[2].Err != nil || quota(made[3].Err) != "subaccounts_count" {
		t.Errorf("%v %+v", err, made)
	}
	if n := m.puts - before; n != 2 {
		t.Errorf("%d writes", n)
	}
	if _, err := d.CreateAccounts(424242, []AccountSpec{{}}, start); !errors.Is(err, ErrNotFound) {
		t.Errorf("below nothing: %v", err)
	}
	ttl := TokenSpec{TTL: ptr[int64](60)}
	before = m.puts
	customers := d.CreateCustomers([]CustomerSpec{
		{AccountSpec{Name: ptr("x")}, ttl},
		{AccountSpec{Name: ptr("y")}, TokenSpec{Expire: ptr[int64](1)}},
		{AccountSpec{LimitID: &id}, ttl}, // no token at all
		{AccountSpec{Name: ptr("z")}, ttl},
	}, start)
	if customers[0].Err != nil || field(customers[1].Err) != "expire" || quota(customers[2].Err) != "tokens_count" || customers[3].Err != nil {
		t.Errorf("%+v", customers)
	}
	if n := m.puts - before; n != 2 {
		t.Errorf("%d writes", n)
	}
	for _, d := range []*Directory{d, open(t, m)} {
		if got := len(d.Accounts(0)); got != 3 { // the operator, x and z
			t.Errorf("%d top-level accounts", got)
		}
		for _, i := range []int{0, 3} {
			g, err := d.Login(user(customers[i].Key), start)
			if err != nil || !g.Master || g.Account != customers[i].Account.ID || g.Token != customers[i].Token.ID {
				t.Errorf("%+v, %v", g, err)
			}
		}
		if got := d.Accounts(top.ID); len(got) != 2 {
			t.Errorf("%v", got)
		}
	}
	scram := TokenSpec{TTL: ptr[int64](60), Scram: ptr(true)}
	customers = d.CreateCustomers([]CustomerSpec{{Token: ttl}, {Token: scram}, {Token: scram}, {Token: ttl}, {Token: ttl}}, start)
	for i, c := range customers {
		if c.Err != nil || c.Token.Scram != (i == 1 || i == 2) {
			t.Errorf("%d: %+v", i, c)
		}
	}
	m.fail = errors.New("the disk is gone")
	if _, err := d.CreateAccounts(Operator, []AccountSpec{{}}, start); !errors.Is(err, m.fail) {
		t.Errorf("no disk: %v", err)
	}
	lost := d.CreateCustomers([]CustomerSpec{{Token: ttl}, {}}, start)
	if !errors.Is(lost[0].Err, m.fail) || lost[0].Key != "" || field(lost[1].Err) != "ttl" || len(d.Accounts(0)) != 8 {
		t.Errorf("no disk: %+v, %d accounts", lost, len(d.Accounts(0)))
	}
}

// TestTokenSet: a set of any size is the set that a map would be.
func TestTokenSet(t *testing.T) {
	var s tokenSet
	want := map[TokenID]bool{}
	for i, step := range []int{1, 1, -1, 1, 2, 3, -2, -2, -1, -3, 5, 6, -5, 7, -6, -7, 4} {
		id := TokenID(max(step, -step))
		if step > 0 {
			s.add(id)
			want[id] = true
		} else {
			s.remove(id)
			delete(want, id)
		}
		got := s.appendTo(nil)
		if s.len() != len(want) || len(got) != len(want) {
			t.Fatalf("step %d: %v, want %v", i, got, want)
		}
		for _, id := range got {
			if !want[id] {
				t.Fatalf("step %d: %v, want %v", i, got, want)
			}
		}
	}
}
