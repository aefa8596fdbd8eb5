package auth

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"alcove/internal/mqtt"
)

// TestLogin is the table of EXT-TOK-2.
func TestLogin(t *testing.T) {
	d := open(t, newMemory())
	token, key := d.testToken(t, TokenSpec{})
	id := strconv.FormatInt(int64(token.ID), 10)
	unknown := strings.Repeat("x", KeyLength)
	password := func(p string) Credentials {
		return Credentials{HasPassword: true, Password: []byte(p), Addr: home}
	}
	for _, c := range []struct {
		name string
		with Credentials
		want mqtt.ReasonCode
	}{
		{"a: key", user(key), 0},
		{"a: FlespiToken", user("FlespiToken " + key), 0},
		{"a: Bearer", user("Bearer " + key), 0},
		{"a: scheme without case", user("bearer " + key), 0},
		{"a: any password beside it", userPassword(key, "whatever"), 0},
		{"b: password", userPassword("device", key), 0},
		{"b: password FlespiToken", userPassword("device", "FlespiToken "+key), 0},
		{"b: password Bearer, no user name", password("Bearer " + key), 0},
		{"b: after an unknown key as user name", userPassword(unknown, key), 0},
		{"c: id and 16 characters", userPassword(id, key[:16]), 0},
		{"c: 15 characters", userPassword(id, key[:15]), mqtt.BadUserNameOrPassword},
		{"c: 17 characters", userPassword(id, key[:17]), mqtt.BadUserNameOrPassword},
		{"c: last 16 characters", userPassword(id, key[48:]), mqtt.BadUserNameOrPassword},
		{"c: the operator's id", userPassword("1", key[:16]), mqtt.BadUserNameOrPassword},
		{"c: unknown id", userPassword("424242", key[:16]), mqtt.BadUserNameOrPassword},
		{"c: unknown id, zeros", userPassword("424242", strings.Repeat("\x00", 16)), mqtt.BadUserNameOrPassword},
		{"c: id with a sign", userPassword("+"+id, key[:16]), mqtt.BadUserNameOrPassword},
		{"c: id with a leading zero", userPassword("0"+id, key[:16]), mqtt.BadUserNameOrPassword},
		{"c: huge id", userPassword("99999999999999999999", key[:16]), mqtt.BadUserNameOrPassword},
		{"16 characters alone", password(key[:16]), mqtt.BadUserNameOrPassword},
		{"nothing", Credentials{Addr: home}, mqtt.BadUserNameOrPassword},
		{"empty", userPassword("", ""), mqtt.BadUserNameOrPassword},
		{"unknown key", user(unknown), mqtt.BadUserNameOrPassword},
		{"key and a blank", user(key + " "), mqtt.BadUserNameOrPassword},
		{"two blanks", user("Bearer  " + key), mqtt.BadUserNameOrPassword},
		{"unknown scheme", user("Basic " + key), mqtt.BadUserNameOrPassword},
		{"another case of the key", user(swapCase(key)), mqtt.BadUserNameOrPassword},
		{"absent user name is not read", Credentials{Username: []byte(key)}, mqtt.BadUserNameOrPassword},
	} {
		g, err := d.Login(c.with, start)
		if got := code(t, err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if err == nil && g.Token != token.ID {
			t.Errorf("%s: token %d, want %d", c.name, g.Token, token.ID)
		}
	}
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ToUpper(string(r)) == string(r) {
			return []rune(strings.ToLower(string(r)))[0]
		}
		return []rune(strings.ToUpper(string(r)))[0]
	}, s)
}

// TestRefusals: disabled, expired and foreign addresses are 0x87, a blocked account
// is 0x8A [EXT-TOK-2] [EXT-ACC-4], on every way in.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(d *Directory, id TokenID) time.Time
		want mqtt.ReasonCode
	}{
		{"disabled", func(d *Directory, id TokenID) time.Time {
			d.UpdateToken(id, TokenSpec{Enabled: ptr(false)})
			return start
		}, mqtt.NotAuthorized},
		{"expired", func(*Directory, TokenID) time.Time { return start.Add(time.Hour) }, mqtt.NotAuthorized},
		{"address", func(d *Directory, id TokenID) time.Time {
			d.UpdateToken(id, TokenSpec{IPs: ptr("10.0.0.0/8")})
			return start
		}, mqtt.NotAuthorized},
		{"valid a second before", func(*Directory, TokenID) time.Time { return start.Add(time.Hour - time.Second) }, 0},
	} {
		d := open(t, newMemory())
		token, key := d.testToken(t, TokenSpec{})
		now := c.do(d, token.ID)
		// Revalidate first: a login refreshes the ttl.
		_, err := d.Revalidate(token.ID, home, now)
		if got := code(t, err); got != c.want {
			t.Errorf("%s: Revalidate: %v, want %v", c.name, got, c.want)
		}
		_, err = d.Login(user(key), now)
		if got := code(t, err); got != c.want {
			t.Errorf("%s: Login: %v, want %v", c.name, got, c.want)
		}
		_, err = d.Login(userPassword(strconv.FormatInt(int64(token.ID), 10), key[:16]), now)
		if got := code(t, err); got != c.want {
			t.Errorf("%s: Login by id: %v, want %v", c.name, got, c.want)
		}
		_, err = d.LoginKey("Bearer "+key, home, now)
		if got := code(t, err); got != c.want {
			t.Errorf("%s: LoginKey: %v, want %v", c.name, got, c.want)
		}
		_, err = d.Anonymous(token.ID, home, now)
		if got := code(t, err); got != c.want {
			t.Errorf("%s: Anonymous: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestBlocked: a blocked account and everything below it is refused [EXT-ACC-4].
func TestBlocked(t *testing.T) {
	d := open(t, newMemory())
	parent, _ := d.CreateAccount(Operator, AccountSpec{}, start)
	child, _ := d.CreateAccount(parent.ID, AccountSpec{}, start)
	_, childKey, err := d.CreateToken(child.ID, TokenSpec{TTL: ptr[int64](60)}, start)
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{}
	d.SetObserver(w)
	if _, err := d.UpdateAccount(parent.ID, AccountSpec{Blocked: ptr(7)}); err != nil {
		t.Fatal(err)
	}
	_, err = d.Login(user(childKey), start)
	if code(t, err) != mqtt.Banned {
		t.Errorf("login below a blocked account: %v", err)
	}
	if got := len(w.take()); got != 2 {
		t.Errorf("%d accounts told, want parent and child", got)
	}
	if _, err := d.UpdateAccount(parent.ID, AccountSpec{Blocked: ptr(0)}); err != nil {
		t.Fatal(err)
	}
	if _, err = d.Login(user(childKey), start); err != nil {
		t.Errorf("login after unblocking: %v", err)
	}
	if _, err := d.UpdateAccount(Operator, AccountSpec{Blocked: ptr(1)}); field(err) != "blocked" {
		t.Errorf("blocking the operator: %v", err)
	}
}

// TestKeys: 64 characters of [A-Za-z0-9], all of them in use, never stored
// [EXT-TOK-1].
func TestKeys(t *testing.T) {
	seen, keys := map[rune]int{}, map[string]bool{}
	const n = 2000
	for range n {
		k := newKey()
		if !isKey(k) || keys[k] {
			t.Fatalf("bad or repeated key %q", k)
		}
		keys[k] = true
		for _, c := range k {
			seen[c]++
		}
	}
	mean := float64(n*KeyLength) / float64(len(keyAlphabet))
	for _, c := range keyAlphabet {
		// Eight standard deviations: a fair generator passes 10^14 runs.
		if f := float64(seen[c]); f < mean-8*45.5 || f > mean+8*45.5 {
			t.Errorf("%q came %d times, about %.0f expected", c, seen[c], mean)
		}
	}
	m := newMemory()
	d := open(t, m)
	_, key := d.testToken(t, TokenSpec{Scram: ptr(true)})
	for kind, docs := range m.docs {
		for id, doc := range docs {
			for _, secret := range []string{key, key[:16], operatorKey} {
				if strings.Contains(string(doc), secret) {
					t.Errorf("%s %d holds a key in plain text", kind, id)
				}
			}
		}
	}
}

// TestAddresses is the table of ips [EXT-TOK-3].
func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		ips, addr string
		want      bool
	}{
		{"", "192.0.2.1", true},
		{"", "", true},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.10", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "192.0.2.1", true},
		{"::ffff:192.0.2.0/120", "192.0.2.77", true},
		{"192.0.2.*", "192.0.2.200", true},
		{"192.0.2.*", "192.0.20.2", false},
		{"192.0.2.?", "192.0.2.7", true},
		{"192.0.2.?", "192.0.2.77", false},
		{"*", "2001:db8::1", true},
		{"*", "", false},
		{"10.0.0.0/8, 192.0.2.0/24", "192.0.2.9", true},
		{"10.0.0.0/8,192.0.2.0/24", "198.51.100.1", false},
		{"2001:DB8::*", "2001:db8::5", true},
		{"2001:db8::/32", "2001:db8:1::", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "192.0.2.1", false},
		{"fe80::1", "fe80::1%eth0", true},
		{"1*1*1*1*1*1*1*1*1", "111.111.111.111", true},
	} {
		masks, err := parseIPs(c.ips)
		if err != nil {
			t.Errorf("%q: %v", c.ips, err)
			continue
		}
		var addr netip.Addr
		if c.addr != "" {
			addr = netip.MustParseAddr(c.addr)
		}
		if got := addressAllowed(&masks, addr); got != c.want {
			t.Errorf("%q allows %q: %v, want %v", c.ips, c.addr, got, c.want)
		}
	}
	for _, bad := range []string{"x", "1.2.3", "1.2.3.4/33", "1.2.3.4,", ",", "10.*.x", "fe80::1%eth0", "1.2.3.4 5.6.7.8",
		strings.Repeat("1.2.3.4,", MaxIPs) + "1.2.3.4", strings.Repeat("*", MaxIPsBytes+1)} {
		if _, err := parseIPs(bad); field(err) != "ips" {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

// FuzzCredentials: nothing but the three ways of EXT-TOK-2 logs in, nothing panics.
func FuzzCredentials(f *testing.F) {
	d := open(f, newMemory())
	token, key := d.testToken(f, TokenSpec{})
	id := strconv.FormatInt(int64(token.ID), 10)
	f.Add(true, []byte(operatorKey), false, []byte(nil))
	f.Add(false, []byte(nil), true, []byte("Bearer "+operatorKey))
	f.Add(true, []byte("1"), true, []byte(operatorKey[:16]))
	f.Add(true, []byte("FlespiToken "), true, []byte("Bearer \x00"))
	f.Add(true, []byte("18446744073709551617"), true, []byte("0000000000000000"))
	f.Fuzz(func(t *testing.T, hasUser bool, name []byte, hasPassword bool, password []byte) {
		g, err := d.Login(Credentials{HasUsername: hasUser, Username: name, HasPassword: hasPassword, Password: password, Addr: home}, start)
		if err != nil {
			code(t, err)
			return
		}
		presented := ""
		if hasUser {
			presented += string(name)
		}
		if hasPassword {
			presented += "\n" + string(password)
		}
		if !strings.Contains(presented, operatorKey) && !strings.Contains(presented, key) &&
			presented != "1\n"+operatorKey[:16] && presented != id+"\n"+key[:16] {
			t.Fatalf("%q logged in as %d", presented, g.Token)
		}
	})
}

func BenchmarkLogin(b *testing.B) {
	d := open(b, newMemory())
	_, key := d.testToken(b, TokenSpec{})
	c := user(key)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Login(c, start); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoginUnknown(b *testing.B) {
	d := open(b, newMemory())
	c := user(strings.Repeat("x", KeyLength))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Login(c, start); err == nil {
			b.Fatal("logged in")
		}
	}
}
