package auth

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// TestFirstStart: account 1 and its master token, which never lapses and whose key is
// told once [EXT-TOK-9].
func TestFirstStart(t *testing.T) {
	m := newMemory()
	d, err := Open(Config{Start: start}, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := d.FirstOperatorKey()
	g, err := d.Login(user(key), start.AddDate(50, 0, 0))
	if err != nil || g.Account != Operator || g.Top != Operator || !g.Master || !g.MayPlatform() {
		t.Fatalf("operator: %+v, %v", g, err)
	}
	if _, err := d.Sweep(start.AddDate(60, 0, 0)); err != nil {
		t.Fatal(err)
	}
	d, err = Open(Config{Start: start}, m, nil)
	if err != nil || d.FirstOperatorKey() != "" {
		t.Fatalf("second start: key %q, %v", d.FirstOperatorKey(), err)
	}
	if _, err := d.Login(user(key), start); err != nil {
		t.Errorf("second start: %v", err)
	}
	// A given key replaces the first one's.
	d = open(t, m)
	if d.FirstOperatorKey() != "" {
		t.Error("a given key is told")
	}
	if _, err := d.Login(user(key), start); code(t, err) != mqtt.BadUserNameOrPassword {
		t.Errorf("the replaced key: %v", err)
	}
	g2, err := d.Login(user(operatorKey), start)
	if err != nil || g2.Token != g.Token {
		t.Errorf("the given key: %+v %v", g2, err)
	}
	puts := m.puts
	if open(t, m); m.puts != puts {
		t.Error("the same key is written again")
	}
	for _, bad := range []string{"short", strings.Repeat("-", 64)} {
		if _, err := Open(Config{OperatorToken: bad}, newMemory(), nil); field(err) != "operator_token" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	_, other := d.testToken(t, TokenSpec{})
	if _, err := Open(Config{OperatorToken: other}, m, nil); field(err) != "operator_token" {
		t.Errorf("the key of another token: %v", err)
	}
	// Deleted, it comes back by configuration only.
	if err := d.DeleteToken(g.Token); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, m).Login(user(operatorKey), start); err != nil {
		t.Errorf("after deletion: %v", err)
	}
}

// TestRestart: everything reads back after a restart just as it was [EXT-REST-11].
func TestRestart(t *testing.T) {
	m := newMemory()
	d := open(t, m)
	const acl = `[{"uri":"mqtt","topic":"a/{client_id}","actions":["publish"]}]`
	token, key := d.testToken(t, TokenSpec{
		Info: ptr("a device"), Expire: ptr(start.Unix() + 50), IPs: ptr("192.0.2.*"), Metadata: map[string]string{"a": "b"},
		Access: &Access{Type: Listed, ACL: json.RawMessage(acl)}, Scram: ptr(true),
	})
	sub, err := d.CreateAccount(Operator, AccountSpec{Name: ptr("sub"), Metadata: map[string]string{"x": "y"}, LimitID: ptr[int64](-1),
		Settings: &Settings{Overflow: ptr("drop_newest"), Stamps: ptr(false)}}, start)
	if err != nil {
		t.Fatal(err)
	}
	d = open(t, m)
	if got, _ := d.Token(token.ID); !reflect.DeepEqual(got, token) || string(got.Access.ACL) != acl {
		t.Errorf("token %+v, want %+v", got, token)
	}
	if got, _ := d.Account(sub.ID); !reflect.DeepEqual(got, sub) {
		t.Errorf("account %+v, want %+v", got, sub)
	}
	g, err := d.Login(user(key), start)
	if err != nil || !g.Rights("c1").MayPublish([]byte("a/c1")) || g.Rights("c1").MayPublish([]byte("a/c2")) {
		t.Errorf("rights after the restart: %v", err)
	}
	doc, _ := json.Marshal(token)
	for _, secret := range []string{"key", "salt", "short", "secret"} {
		if strings.Contains(string(doc), `"`+secret) {
			t.Errorf("a token's JSON has %q: %s", secret, doc)
		}
	}
}

// TestLifetime is the table of EXT-TOK-3: valid while expire or ttl holds.
func TestLifetime(t *testing.T) {
	for _, c := range []struct {
		name        string
		expire, ttl int64 // s after start, s
		used        []int64
		live        bool
		last        int64 // the last second it is valid; it is gone the second after
	}{
		{"expire", 100, 0, nil, false, 99},
		{"expire, used", 100, 0, []int64{50}, false, 99},
		{"ttl", 0, 100, nil, false, 99},
		{"ttl, used", 0, 100, []int64{50, 120}, false, 219},
		{"expire later", 300, 100, nil, false, 299},
		{"ttl later", 50, 100, nil, false, 99},
		{"ttl later by use", 150, 100, []int64{90}, false, 189},
		{"ttl, live until 500", 0, 100, nil, true, 599},
		{"expire, live", 100, 0, nil, true, 99},
	} {
		m, w := newMemory(), &watcher{}
		d := open(t, m)
		d.SetObserver(w)
		spec := TokenSpec{TTL: &c.ttl, Expire: ptr[int64](0)}
		if c.expire != 0 {
			spec.Expire = ptr(start.Unix() + c.expire)
		}
		token, _ := d.testToken(t, spec)
		if c.live {
			d.SetLive(token.ID, +1, start)
		}
		for s := range c.last + 2 {
			now := start.Add(time.Duration(s) * time.Second)
			if slices.Contains(c.used, s) {
				d.Touch(token.ID, now)
			}
			if c.live && s == 500 {
				d.SetLive(token.ID, -1, now)
			}
			next, err := d.Sweep(now)
			if err != nil || next <= 0 || next > time.Second {
				t.Fatalf("%s: Sweep: %v, %v", c.name, next, err)
			}
			_, err = d.Revalidate(token.ID, home, now)
			if (err == nil) != (s <= c.last) {
				t.Errorf("%s: at %d: %v", c.name, s, err)
			}
		}
		if got := w.take(); len(got) != 2 || !strings.HasPrefix(got[0], "gone ") || got[1] != "lapsed "+got[0][5:] {
			t.Errorf("%s: told %v", c.name, got)
		}
		if len(m.docs[kindToken]) != 2 { // the counter and the operator's
			t.Errorf("%s: its document stays", c.name)
		}
	}
}

// TestAccessed: the time of last use reaches the store at most once a minute, and
// with Flush [EXT-TOK-3].
func TestAccessed(t *testing.T) {
	m := newMemory()
	d := open(t, m)
	used, _ := d.testToken(t, TokenSpec{})
	live, _ := d.testToken(t, TokenSpec{})
	d.SetLive(live.ID, +1, start)
	if _, err := d.Sweep(start); err != nil {
		t.Fatal(err)
	}
	puts := m.puts
	for s := range int64(180) {
		now := start.Add(time.Duration(s) * time.Second)
		d.Touch(used.ID, now)
		if _, err := d.Sweep(now); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.puts - puts; got != 2 {
		t.Errorf("%d writes in three minutes", got)
	}
	stored := func(id TokenID) int64 {
		got, _ := open(t, m).Token(id)
		return got.Accessed - start.Unix()
	}
	if a, b := stored(used.ID), stored(live.ID); a != 120 || b != 120 {
		t.Errorf("stored %d and %d, want 120", a, b)
	}
	if err := d.Flush(start.Add(3 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if a, b := stored(used.ID), stored(live.ID); a != 179 || b != 180 {
		t.Errorf("after Flush %d and %d, want 179 and 180", a, b)
	}
}

// TestStoreFailure: what is not durable is not in force, and nobody is told.
func TestStoreFailure(t *testing.T) {
	m, w := newMemory(), &watcher{}
	d := open(t, m)
	token, key := d.testToken(t, TokenSpec{})
	sub, _ := d.CreateAccount(Operator, AccountSpec{}, start)
	d.SetObserver(w)
	m.fail = errors.New("disk full")
	if _, _, err := d.CreateToken(Operator, TokenSpec{TTL: ptr[int64](1)}, start); !errors.Is(err, m.fail) {
		t.Errorf("CreateToken: %v", err)
	}
	if _, err := d.UpdateToken(token.ID, TokenSpec{Enabled: ptr(false)}); !errors.Is(err, m.fail) {
		t.Errorf("UpdateToken: %v", err)
	}
	if err := d.DeleteToken(token.ID); !errors.Is(err, m.fail) {
		t.Errorf("DeleteToken: %v", err)
	}
	if _, err := d.CreateAccount(Operator, AccountSpec{}, start); !errors.Is(err, m.fail) {
		t.Errorf("CreateAccount: %v", err)
	}
	if _, _, err := d.CreateCustomer(AccountSpec{}, TokenSpec{TTL: ptr[int64](1)}, start); !errors.Is(err, m.fail) {
		t.Errorf("CreateCustomer: %v", err)
	}
	if _, err := d.UpdateAccount(sub.ID, AccountSpec{Blocked: ptr(1)}); !errors.Is(err, m.fail) {
		t.Errorf("UpdateAccount: %v", err)
	}
	if _, err := d.DeleteAccount(sub.ID); !errors.Is(err, m.fail) {
		t.Errorf("DeleteAccount: %v", err)
	}
	if _, err := d.Login(user(key), start); err != nil {
		t.Errorf("the token after failed changes: %v", err)
	}
	late := start.Add(2 * time.Hour)
	if _, err := d.Sweep(late); !errors.Is(err, m.fail) {
		t.Errorf("Sweep: %v", err)
	}
	if _, err := d.Login(user(key), late); code(t, err) != mqtt.NotAuthorized {
		t.Errorf("a lapsed token whose deletion failed: %v", err)
	}
	if got := w.take(); len(got) != 0 {
		t.Errorf("told %v", got)
	}
	if len(d.Tokens(Operator)) != 2 || len(d.Accounts(Operator)) != 1 || len(d.Accounts(0)) != 1 {
		t.Error("lists changed")
	}
	m.fail = nil
	if _, err := d.Sweep(late); err != nil || len(w.take()) != 2 {
		t.Errorf("Sweep afterwards: %v", err)
	}
}

// TestTree: four levels, ancestors, and what a deletion takes with it [EXT-ACC-2].
func TestTree(t *testing.T) {
	m, w := newMemory(), &watcher{}
	d := open(t, m)
	top, first, err := d.CreateCustomer(AccountSpec{Name: ptr("customer")}, TokenSpec{TTL: ptr[int64](3600)}, start)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := d.Login(user(first.Key), start); err != nil || g.Account != top.ID || g.Top != top.ID || !g.Master {
		t.Errorf("the customer's first token: %+v %v", g, err) // [EXT-ACC-3]
	}
	if top.Parent != 0 || d.IsDescendant(top.ID, Operator) {
		t.Error("a customer hangs below the operator") // [EXT-ACC-3]
	}
	path := []AccountID{top.ID}
	for range MaxDepth - 1 {
		a, err := d.CreateAccount(path[0], AccountSpec{}, start)
		if err != nil {
			t.Fatal(err)
		}
		path = slices.Insert(path, 0, a.ID)
	}
	if !slices.Equal(d.Ancestors(path[0]), path) {
		t.Errorf("ancestors %v, want %v", d.Ancestors(path[0]), path)
	}
	if _, err := d.CreateAccount(path[0], AccountSpec{}, start); err == nil {
		t.Error("a fifth level")
	} else if _, ok := errors.AsType[*QuotaError](err); !ok {
		t.Errorf("a fifth level: %v", err)
	}
	sibling, _ := d.CreateAccount(top.ID, AccountSpec{}, start)
	if d.IsDescendant(sibling.ID, path[2]) || !d.IsDescendant(sibling.ID, top.ID) || !d.IsDescendant(top.ID, top.ID) {
		t.Error("IsDescendant")
	}
	deep, deepKey, _ := d.CreateToken(path[0], TokenSpec{TTL: ptr[int64](60)}, start)
	d.SetObserver(w)
	gone, err := d.DeleteAccount(path[2])
	if err != nil || len(gone.IDs) != 3 || gone.IDs[0] != path[2] || gone.Tokens != 1 {
		t.Errorf("deleted %v, %v", gone, err)
	}
	if got := w.take(); len(got) != 4 || !slices.Contains(got, "gone "+strconv.FormatInt(int64(deep.ID), 10)) {
		t.Errorf("told %v", got)
	}
	for _, dir := range []*Directory{d, open(t, m)} {
		if _, err := dir.Login(user(deepKey), start); code(t, err) != mqtt.BadUserNameOrPassword {
			t.Errorf("a token of a deleted account: %v", err)
		}
		if _, ok := dir.Account(path[1]); ok || len(dir.Accounts(top.ID)) != 1 {
			t.Error("the subtree stays")
		}
		if _, ok := dir.Account(sibling.ID); !ok {
			t.Error("the sibling is gone")
		}
	}
	if _, err := d.DeleteAccount(Operator); field(err) != "id" {
		t.Errorf("deleting the operator: %v", err)
	}
	if _, err := d.DeleteAccount(424242); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleting nothing: %v", err)
	}
}

// TestOrphans: what a crash in the middle of a deletion or of a customer's creation
// leaves is taken away at the next start.
func TestOrphans(t *testing.T) {
	m := newMemory()
	d := open(t, m)
	parent, _ := d.CreateAccount(Operator, AccountSpec{}, start)
	child, _ := d.CreateAccount(parent.ID, AccountSpec{}, start)
	_, key, _ := d.CreateToken(child.ID, TokenSpec{TTL: ptr[int64](60)}, start)
	delete(m.docs[kindAccount], int64(parent.ID))
	d = open(t, m)
	if _, ok := d.Account(child.ID); ok {
		t.Error("an account without a parent")
	}
	if _, err := d.Login(user(key), start); err == nil {
		t.Error("a token without an account")
	}
	if len(m.docs[kindAccount]) != 2 || len(m.docs[kindToken]) != 2 {
		t.Errorf("documents stay: %d, %d", len(m.docs[kindAccount]), len(m.docs[kindToken]))
	}
	for _, doc := range []string{`{`, `{"v":2,"id":5}`, `{"id":5}`} {
		m.docs[kindAccount][5] = []byte(doc)
		if _, err := Open(Config{}, m, nil); err == nil || !strings.Contains(err.Error(), "account 5") {
			t.Errorf("document %s: %v", doc, err)
		}
	}
}

// TestIDs: never used twice, not even after deletion and restart, and scattered
// [EXT-ACC-1].
func TestIDs(t *testing.T) {
	m := newMemory()
	d := open(t, m)
	seen := map[TokenID]bool{1: true}
	ascending := 0
	last := TokenID(0)
	for range 200 {
		token, _ := d.testToken(t, TokenSpec{})
		if seen[token.ID] || token.ID <= 0 || token.ID >= 1<<idBits {
			t.Fatalf("id %d", token.ID)
		}
		seen[token.ID] = true
		if token.ID > last {
			ascending++
		}
		last = token.ID
		if err := d.DeleteToken(token.ID); err != nil {
			t.Fatal(err)
		}
		if len(seen)%20 == 0 {
			d = open(t, m)
		}
	}
	if ascending > 160 {
		t.Errorf("%d of 200 ids ascend: they tell their order", ascending)
	}
	if open(t, newMemory()).secret == nil || string(open(t, newMemory()).secret) == string(d.secret) {
		t.Error("installations share a secret")
	}
}

// TestSettings: unset keys take the parent's value, at every depth, and changes reach
// the children [EXT-ACC-5].
func TestSettings(t *testing.T) {
	d := open(t, newMemory())
	parent, _ := d.CreateAccount(Operator, AccountSpec{}, start)
	child, _ := d.CreateAccount(parent.ID, AccountSpec{Settings: &Settings{Durability: ptr("memory")}}, start)
	w := &watcher{}
	d.SetObserver(w)
	want := DefaultSettings()
	if got := d.EffectiveSettings(parent.ID); got != want {
		t.Errorf("defaults %+v", got)
	}
	if _, err := d.UpdateAccount(parent.ID, AccountSpec{Settings: &Settings{
		Stamps: ptr(false), RetainedFirst: ptr(false), Overflow: ptr("delete_session"), Durability: ptr("async"),
		SessionExpiryMax: ptr[int64](0), SessionExpiryV3: ptr[int64](60), LogBytes: ptr[int64](7), LogDays: ptr[int64](1),
	}}); err != nil {
		t.Fatal(err)
	}
	want = EffectiveSettings{Overflow: DeleteSession, Durability: DurabilityMemory, SessionExpiryV3: time.Minute, LogBytes: 7, LogDays: 1}
	if got := d.EffectiveSettings(child.ID); got != want {
		t.Errorf("child %+v, want %+v", got, want)
	}
	if len(w.take()) != 2 {
		t.Error("not told of parent and child")
	}
	a, err := d.UpdateAccount(parent.ID, AccountSpec{Settings: &Settings{Stamps: ptr(true)}, Unset: []string{"overflow", "log_days"}})
	if err != nil || a.Settings.Overflow != nil || *a.Settings.LogBytes != 7 {
		t.Errorf("merged: %+v %v", a.Settings, err)
	}
	want.Stamps, want.Overflow, want.LogDays = true, DropOldest, 30
	if got := d.EffectiveSettings(child.ID); got != want {
		t.Errorf("child %+v, want %+v", got, want)
	}
	if _, err := d.UpdateAccount(parent.ID, AccountSpec{Unset: SettingNames}); err != nil || d.EffectiveSettings(parent.ID) != DefaultSettings() {
		t.Errorf("all unset: %+v %v", d.EffectiveSettings(parent.ID), err)
	}
	w.take()
	d.UpdateAccount(child.ID, AccountSpec{Name: ptr("x")})
	d.UpdateAccount(parent.ID, AccountSpec{Settings: &Settings{Durability: ptr("async")}})
	if got := w.take(); len(got) != 2 { // the child's own durability did not change
		t.Errorf("told %v", got)
	}
	for _, c := range []struct {
		spec  AccountSpec
		field string
	}{
		{AccountSpec{Settings: &Settings{Overflow: ptr("x")}}, "settings.overflow"},
		{AccountSpec{Settings: &Settings{Durability: ptr("")}}, "settings.durability"},
		{AccountSpec{Settings: &Settings{SessionExpiryMax: ptr[int64](-1)}}, "settings.session_expiry_max"},
		{AccountSpec{Settings: &Settings{SessionExpiryV3: ptr[int64](1 << 33)}}, "settings.session_expiry_v3"},
		{AccountSpec{Unset: []string{"x"}}, "settings.x"},
		{AccountSpec{Name: ptr(strings.Repeat("x", MaxNameBytes+1))}, "name"},
		{AccountSpec{Name: ptr("a\nb")}, "name"},
		{AccountSpec{Name: ptr("\xff")}, "name"},
		{AccountSpec{LimitID: ptr[int64](-2)}, "limit_id"},
		{AccountSpec{Blocked: ptr(-1)}, "blocked"},
		{AccountSpec{Metadata: map[string]string{"a": strings.Repeat("x", MaxMetadataValue+1)}}, "metadata"},
	} {
		if _, err := d.UpdateAccount(child.ID, c.spec); field(err) != c.field {
			t.Errorf("%s: %v", c.field, err)
		}
	}
}

// TestTokenErrors: wrong arguments are refused with their field.
func TestTokenErrors(t *testing.T) {
	d := open(t, newMemory())
	hour := ptr[int64](3600)
	big := map[string]string{}
	for i := range MaxMetadata + 1 {
		big[strconv.Itoa(i)] = ""
	}
	for _, c := range []struct {
		spec  TokenSpec
		field string
	}{
		{TokenSpec{}, "ttl"}, // at least one of expire and ttl [EXT-TOK-3]
		{TokenSpec{TTL: ptr[int64](0)}, "ttl"},
		{TokenSpec{TTL: ptr[int64](-1)}, "ttl"},
		{TokenSpec{TTL: ptr[int64](1 << 62)}, "ttl"},
		{TokenSpec{Expire: ptr(start.Unix())}, "expire"},
		{TokenSpec{Expire: ptr[int64](-5)}, "expire"},
		{TokenSpec{Expire: ptr[int64](1 << 62)}, "expire"},
		{TokenSpec{TTL: hour, Info: ptr(strings.Repeat("x", MaxInfoBytes+1))}, "info"},
		{TokenSpec{TTL: hour, Info: ptr("\x1b[2J")}, "info"},
		{TokenSpec{TTL: hour, IPs: ptr("1.2.3")}, "ips"},
		{TokenSpec{TTL: hour, Metadata: big}, "metadata"},
		{TokenSpec{TTL: hour, Access: &Access{Type: 3}}, "access.type"},
		{TokenSpec{TTL: hour, Access: &Access{Type: Listed, ACL: json.RawMessage(`[{}]`)}}, "access.acl[0].uri"},
		{TokenSpec{TTL: hour, Access: &Access{Type: Standard, ACL: json.RawMessage(`7`)}}, "access.acl"},
	} {
		if _, _, err := d.CreateToken(Operator, c.spec, start); field(err) != c.field {
			t.Errorf("%s: %v", c.field, err)
		}
	}
	made, err := d.CreateTokens(Operator, []TokenSpec{{TTL: hour}, {}, {TTL: hour}}, start)
	if err != nil || made[0].Err != nil || field(made[1].Err) != "ttl" || made[1].Key != "" || made[2].Err != nil {
		t.Errorf("a batch with one wrong: %+v %v", made, err)
	}
	if _, _, err := d.CreateToken(424242, TokenSpec{TTL: hour}, start); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown account: %v", err)
	}
	if _, err := d.UpdateToken(made[0].Token.ID, TokenSpec{Scram: ptr(true)}); field(err) != "scram" {
		t.Errorf("scram later: %v", err)
	}
	if _, err := d.UpdateToken(made[0].Token.ID, TokenSpec{TTL: ptr[int64](0)}); field(err) != "ttl" {
		t.Errorf("neither expire nor ttl: %v", err)
	}
	if _, err := d.UpdateToken(424242, TokenSpec{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown token: %v", err)
	}
	if err := d.DeleteToken(424242); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown token: %v", err)
	}
}

// TestBatches: many tokens are changed and deleted in few writes, and a wrong one
// does not hold up the others.
func TestBatches(t *testing.T) {
	m, w := newMemory(), &watcher{}
	d := open(t, m)
	specs := make([]TokenSpec, flushBatch+10)
	for i := range specs {
		specs[i] = TokenSpec{TTL: ptr[int64](60)}
	}
	specs[3] = TokenSpec{Expire: ptr(start.Unix() + 60)}
	made, err := d.CreateTokens(Operator, specs, start)
	if err != nil {
		t.Fatal(err)
	}
	ids := []TokenID{424242}
	for _, token := range made {
		ids = append(ids, token.Token.ID)
	}
	puts := m.puts
	d.SetObserver(w)
	for i, c := range d.UpdateTokens(ids, TokenSpec{Expire: ptr[int64](0), Enabled: ptr(false)}) {
		switch {
		case i == 0 && !errors.Is(c.Err, ErrNotFound), i == 4 && field(c.Err) != "ttl":
			t.Errorf("token %d: %v", i, c.Err)
		case i != 0 && i != 4 && (c.Err != nil || c.Token.ID != ids[i] || c.Token.Enabled):
			t.Errorf("token %d: %+v", i, c)
		}
	}
	if got := len(w.take()); got != len(ids)-2 {
		t.Errorf("told of %d", got)
	}
	for i, c := range d.DeleteTokens(ids) {
		if (c.Err != nil) != (i == 0) {
			t.Errorf("token %d: %v", i, c.Err)
		}
	}
	if len(d.Tokens(Operator)) != 1 || len(m.docs[kindToken]) != 2 || m.puts-puts != 4 || len(w.take()) != len(ids)-1 {
		t.Errorf("%d tokens, %d documents, %d writes", len(d.Tokens(Operator)), len(m.docs[kindToken]), m.puts-puts)
	}
}

// TestChangesAct: each change is told, and Revalidate gives what is in force
// [EXT-TOK-8].
func TestChangesAct(t *testing.T) {
	d, w := open(t, newMemory()), &watcher{}
	d.SetObserver(w)
	token, key := d.testToken(t, TokenSpec{})
	before, _ := d.Login(user(key), start)
	if !before.Rights("c").Unrestricted() || before.Master || before.MayPlatform() {
		t.Error("a standard token")
	}
	if before != must(d.Revalidate(token.ID, home, start)) {
		t.Error("connections of one token do not share a grant")
	}
	if _, err := d.UpdateToken(token.ID, TokenSpec{Access: &Access{Type: Listed, ACL: json.RawMessage(allOn("a/#"))}}); err != nil {
		t.Fatal(err)
	}
	after := must(d.Revalidate(token.ID, home, start))
	if after == before || after.Rights("c").Subscribe(topic.Filter{Inner: "b"}) != None {
		t.Error("the new access list is not in force")
	}
	if !before.Rights("c").Unrestricted() {
		t.Error("the old grant changed")
	}
	if got := w.take(); len(got) != 1 || !strings.HasPrefix(got[0], "changed ") {
		t.Errorf("told %v", got)
	}
	if _, err := d.Standing(token.ID, start); err != nil {
		t.Errorf("Standing: %v", err)
	}
	if err := d.DeleteToken(token.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Standing(token.ID, start); code(t, err) != mqtt.NotAuthorized {
		t.Errorf("a Will of a deleted token: %v", err) // [EXT-TOK-9]
	}
	if _, err := d.Revalidate(token.ID, home, start); code(t, err) != mqtt.NotAuthorized {
		t.Errorf("deleted: %v", err)
	}
	if _, err := d.Login(user(key), start); code(t, err) != mqtt.BadUserNameOrPassword {
		t.Errorf("deleted: %v", err)
	}
	d.SetLive(token.ID, -1, start) // its last session ends after it: nothing happens
	d.Touch(token.ID, start)
	if _, err := d.Identify(key, home, start); err == nil {
		t.Error("identified a deleted token")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestConcurrent runs everything at once; the race detector judges, and at the end
// the indexes must agree with the store.
func TestConcurrent(t *testing.T) {
	m := newMemory()
	d := open(t, m)
	d.SetObserver(&watcher{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 60 {
				now := start.Add(time.Duration(n) * time.Second)
				sub, err := d.CreateAccount(Operator, AccountSpec{}, now)
				if err != nil {
					t.Error(err)
					return
				}
				token, key, err := d.CreateToken(sub.ID, TokenSpec{TTL: ptr(int64(n%7 + 1)), Access: &Access{Type: Listed, ACL: json.RawMessage(allOn("a/{client_id}"))}}, now)
				if err != nil {
					t.Error(err)
					return
				}
				d.SetLive(token.ID, +1, now)
				if g, err := d.Login(user(key), now); err == nil {
					g.Rights("c").MayPublish([]byte("a/c"))
				}
				d.Sweep(now)
				d.UpdateToken(token.ID, TokenSpec{Enabled: ptr(n%2 == 0)})
				d.UpdateAccount(sub.ID, AccountSpec{Blocked: ptr(n % 2)})
				d.UpdateAccount(Operator, AccountSpec{Settings: &Settings{Stamps: ptr(n%2 == 0)}})
				d.Revalidate(token.ID, home, now)
				d.EffectiveSettings(sub.ID)
				d.Tokens(sub.ID)
				d.Accounts(Operator)
				d.SetLive(token.ID, -1, now)
				if (n+i)%3 == 0 {
					d.DeleteToken(token.ID)
				}
				if (n+i)%2 == 0 {
					d.DeleteAccount(sub.ID)
				}
			}
		})
	}
	wg.Wait()
	late := start.Add(time.Hour)
	if _, err := d.Sweep(late); err != nil {
		t.Fatal(err)
	}
	if len(d.write.due) != 0 || d.index.total != 1 || len(d.used.live) != 0 || len(m.docs[kindToken]) != 2 {
		t.Errorf("left over: %d due, %d tokens, %d live, %d documents", len(d.write.due), d.index.total, len(d.used.live), len(m.docs[kindToken]))
	}
	if again := open(t, m); again.index.accounts != d.index.accounts || d.index.accounts != len(d.Accounts(Operator))+1 {
		t.Errorf("accounts: %d in force, %d stored", d.index.accounts, again.index.accounts)
	}
}

// TestNoSleepingClock: the package takes its time from its callers.
func TestNoSleepingClock(t *testing.T) {
	files, _ := os.ReadDir(".")
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") || f.Name() == "directory.go" {
			continue
		}
		text, _ := os.ReadFile(f.Name())
		for _, word := range []string{"time.Now(", "time.Since(", "time.AfterFunc(", "\tgo func"} {
			if strings.Contains(string(text), word) {
				t.Errorf("%s has %s", f.Name(), word)
			}
		}
	}
}

// TestIDsByKind: the ids of one kind say nothing of those of another [EXT-ACC-1].
func TestIDsByKind(t *testing.T) {
	d, err := Open(Config{}, newMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int64]string{}
	var token, account, limit uint64
	for range 500 {
		for kind, n := range map[string]*uint64{kindToken: &token, kindAccount: &account, kindLimit: &limit} {
			next, id := d.nextID(kind, *n)
			if *n = next; seen[int64(id)] != "" {
				t.Fatalf("%s %d is a %s too", kind, id, seen[int64(id)])
			}
			seen[int64(id)] = kind
		}
	}
}

// TestDisguiseIsReversible: ids lead back to what they stand for, after a restart too,
// and are others in every installation [EXT-ACC-1].
func TestDisguiseIsReversible(t *testing.T) {
	d := &Directory{}
	d.scatterBy(newSecret())
	for n := range uint64(1000) {
		n *= 1_099_511_627 // up to 2^40
		id := d.Disguise(n)
		if back, ok := d.Reveal(id); !ok || back != n {
			t.Fatalf("%d is shown as %d, which leads to %d", n, id, back)
		}
	}
	for _, id := range []int64{-1, 1 << idBits} {
		if _, ok := d.Reveal(id); ok {
			t.Errorf("%d leads somewhere", id)
		}
	}
	again := &Directory{}
	again.scatterBy(d.secret)
	if d.Disguise(7) != again.Disguise(7) {
		t.Error("another start shows another id")
	}
	again.scatterBy(newSecret())
	if d.Disguise(7) == again.Disguise(7) {
		t.Error("another installation shows the same id")
	}
}

// BenchmarkDisguise: what an id in a record of an event costs.
func BenchmarkDisguise(b *testing.B) {
	d := &Directory{}
	d.scatterBy(newSecret())
	b.ReportAllocs()
	for b.Loop() {
		d.Disguise(12345)
	}
}
