package auth

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"alcove/internal/mqtt"
)

// guarded is a directory with the default rate of failed logins, and a token.
func guarded(t testing.TB, spec TokenSpec) (d *Directory, token Token, key string) {
	t.Helper()
	d, err := Open(Config{OperatorToken: operatorKey, Start: start}, newMemory(), nil)
	if err != nil {
		t.Fatal(err)
	}
	token, key = d.testToken(t, spec)
	return d, token, key
}

// forgetAll is what a restart does to what was right before.
func (d *Directory) forgetAll() {
	for i := range d.guard.known {
		d.guard.known[i].Store(0)
	}
}

// tries counts what a number of equal wrong logins were answered by.
func tries(t *testing.T, n int, try func() error) (wrong, held int) {
	t.Helper()
	for range n {
		switch c := code(t, try()); c {
		case mqtt.BadUserNameOrPassword, mqtt.NotAuthorized:
			wrong++
		case mqtt.ConnectionRateExceeded:
			held++
		default:
			t.Fatalf("a wrong login: %v", c)
		}
	}
	return wrong, held
}

const guesses = DefaultFailedLogins * int(guessBurst/time.Second) // at once

// TestFailedLoginsOfAnAddress: each form of login, at the rate of its address
// [EXT-TOK-1] [EXT-TOK-2].
func TestFailedLoginsOfAnAddress(t *testing.T) {
	unknown := strings.Repeat("x", KeyLength)
	for _, c := range []struct {
		name string
		try  func(d *Directory, at time.Time, n int) error
	}{
		{"user name", func(d *Directory, at time.Time, _ int) error { _, err := d.Login(user(unknown), at); return err }},
		{"password", func(d *Directory, at time.Time, _ int) error {
			_, err := d.Login(userPassword("device", unknown), at)
			return err
		}},
		{"another id each time", func(d *Directory, at time.Time, n int) error {
			_, err := d.Login(userPassword(strconv.Itoa(5000+n), unknown[:16]), at)
			return err
		}},
		{"no key at all", func(d *Directory, at time.Time, _ int) error {
			_, err := d.Login(userPassword("root", "toor"), at)
			return err
		}},
		{"REST", func(d *Directory, at time.Time, _ int) error { _, err := d.LoginKey(unknown, home, at); return err }},
		{"auth/info", func(d *Directory, at time.Time, _ int) error { _, err := d.Identify(unknown, home, at); return err }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, _, key := guarded(t, TokenSpec{})
			n := 0
			try := func(at time.Time) func() error { return func() error { n++; return c.try(d, at, n) } }
			if wrong, held := tries(t, 1000, try(start)); wrong != guesses || held != 1000-guesses {
				t.Errorf("at once: %d looked at, %d not", wrong, held)
			}
			// Refusals do not count: the rate comes back as if they had not been.
			if wrong, _ := tries(t, 1000, try(start.Add(time.Second))); wrong != DefaultFailedLogins {
				t.Errorf("a second later %d were looked at", wrong)
			}
			later := start.Add(time.Second)
			if _, err := d.Login(user(key), later); err != nil {
				t.Errorf("a key made before, from the same address: %v", err)
			}
			d.forgetAll()
			if _, err := d.Login(user(key), later); code(t, err) != mqtt.ConnectionRateExceeded {
				t.Errorf("a key that was not seen since the start: %v", err)
			}
			if _, err := d.Login(Credentials{HasUsername: true, Username: []byte(key), Addr: netip.MustParseAddr("198.51.100.1")}, later); err != nil {
				t.Errorf("another address: %v", err)
			}
			if _, err := d.Login(user(key), later); err != nil {
				t.Errorf("it has been right meanwhile: %v", err)
			}
		})
	}
}

// TestFailedLoginsOfAName: guesses at one token from many addresses, at the rate of
// the name, whether there is such a token or not; its own device comes in all the same.
func TestFailedLoginsOfAName(t *testing.T) {
	d, token, key := guarded(t, TokenSpec{Scram: ptr(true)})
	for _, id := range []string{strconv.FormatInt(int64(token.ID), 10), "424242"} {
		n := uint32(0)
		from := func() netip.Addr {
			n++
			return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 0x0A000000+n)))
		}
		wrong, held := tries(t, 500, func() error {
			c := userPassword(id, "0123456789abcdef")
			c.Addr = from()
			_, err := d.Login(c, start)
			return err
		})
		if wrong != guesses || held != 500-guesses {
			t.Errorf("%s: %d looked at, %d not", id, wrong, held)
		}
		c := scramClient{user: id, key: key, header: "n,,", nonce: "abc"}
		if _, _, _, err := NewScram(d, from()).Step(c.hello(), start); code(t, err) != mqtt.ConnectionRateExceeded {
			t.Errorf("SCRAM in the same name: %v", err)
		}
	}
	id := strconv.FormatInt(int64(token.ID), 10)
	if _, err := d.Login(userPassword(id, key[:16]), start); err != nil {
		t.Errorf("the device itself: %v", err)
	}
	if _, err := d.Login(user(key), start); err != nil {
		t.Errorf("the whole key: %v", err)
	}
}

// TestFailedScram: exchanges that fail count, those that are begun side by side too.
func TestFailedScram(t *testing.T) {
	d, token, key := guarded(t, TokenSpec{Scram: ptr(true)})
	id := strconv.FormatInt(int64(token.ID), 10)
	type exchange struct {
		*Scram
		answer []byte
	}
	begin := func(password string) exchange {
		c := scramClient{user: id, key: password, header: "n,,", nonce: "abc"}
		s := NewScram(d, home)
		challenge, _, _, err := s.Step(c.hello(), start)
		if err != nil {
			t.Fatal(err)
		}
		return exchange{s, c.answer(challenge)}
	}
	var open []exchange
	for range 100 {
		open = append(open, begin(strings.Repeat("y", KeyLength)))
	}
	right := begin(key)
	wrong, held := tries(t, len(open), func() error {
		e := open[0]
		open = open[1:]
		_, _, _, err := e.Step(e.answer, start)
		if r := (*Refusal)(nil); code(t, err) == mqtt.NotAuthorized && (!errors.As(err, &r) || r.Token != token.ID || r.Account != token.Account) {
			t.Fatalf("refused in nobody's name: %v", err)
		}
		return err
	})
	if wrong != guesses || held != 100-guesses {
		t.Errorf("%d looked at, %d not", wrong, held)
	}
	if _, _, _, err := right.Step(right.answer, start); code(t, err) != mqtt.ConnectionRateExceeded {
		t.Errorf("one more: %v", err)
	}
}

// TestNoAddressIsNotSlowed: Unix sockets, and where the setting is off.
func TestNoAddressIsNotSlowed(t *testing.T) {
	d, token, _ := guarded(t, TokenSpec{})
	id := strconv.FormatInt(int64(token.ID), 10)
	if _, held := tries(t, 1000, func() error {
		c := userPassword(id, "0123456789abcdef")
		c.Addr = netip.Addr{}
		_, err := d.Login(c, start)
		return err
	}); held != 0 {
		t.Errorf("%d of a Unix socket", held)
	}
	off := open(t, newMemory())
	if _, held := tries(t, 1000, func() error { _, err := off.Login(user("wrong"), start); return err }); held != 0 {
		t.Errorf("%d where it is off", held)
	}
}

// TestRefusalTellsWhose: the broker's own side learns whose token was refused, and only
// where there is one.
func TestRefusalTellsWhose(t *testing.T) {
	d, token, key := guarded(t, TokenSpec{IPs: ptr("10.0.0.0/8")})
	_, err := d.Login(user(key), start)
	r := (*Refusal)(nil)
	if !errors.As(err, &r) || r.Token != token.ID || r.Account != token.Account || code(t, err) != mqtt.NotAuthorized {
		t.Errorf("another address: %v", err)
	}
	_, err = d.Login(userPassword(strconv.FormatInt(int64(token.ID), 10), "0123456789abcdef"), start)
	if !errors.As(err, &r) || r.Token != token.ID || code(t, err) != mqtt.BadUserNameOrPassword {
		t.Errorf("a wrong short key: %v", err)
	}
	if _, err = d.Login(user(strings.Repeat("x", KeyLength)), start); errors.As(err, &r) {
		t.Errorf("an unknown key: %v", err)
	}
}

// TestThrottleOfNetworks: an IPv6 address stands for its /64, IPv4 in IPv6 for itself.
func TestThrottleOfNetworks(t *testing.T) {
	h := NewThrottle(1, time.Second)
	for _, c := range []struct {
		addr  string
		allow bool
	}{
		{"192.0.2.1", true}, {"192.0.2.1", false}, {"::ffff:192.0.2.1", false}, {"192.0.2.2", true},
		{"2001:db8::1", true}, {"2001:db8::ffff:1", false}, {"2001:db8:0:1::1", true},
	} {
		if got := h.Allow(netip.MustParseAddr(c.addr), start); got != c.allow {
			t.Errorf("%s: %v", c.addr, got)
		}
	}
	if !(*Throttle)(nil).Allow(home, start) || !h.Allow(netip.Addr{}, start) {
		t.Error("no throttle, or no address")
	}
	// A clock that is set back holds nobody back for longer than the burst.
	if before := start.AddDate(-1, 0, 0); h.Allow(netip.MustParseAddr("192.0.2.1"), before) ||
		!h.Allow(netip.MustParseAddr("192.0.2.1"), before.Add(2*time.Second)) {
		t.Error("the clock was set back")
	}
}

// TestFloodDoesNotFreeTheHot: whoever has used up its rate stays shut, however many
// others are counted, and nobody is held back that has not.
func TestFloodDoesNotFreeTheHot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.IntRange(1, 50).Draw(t, "rate")
		h := NewThrottle(rate, time.Second)
		now := start.UnixNano()
		hot := rapid.SliceOfNDistinct(rapid.Uint64(), 1, throttleWays, func(key uint64) uint64 { return key | 1 }).Draw(t, "hot")
		for _, key := range hot {
			for range rate {
				h.charge(key|1, now)
			}
		}
		tracked := 0
		for range rapid.IntRange(0, 3*throttleSets*throttleWays).Draw(t, "others") {
			tracked++
			key := uint64(tracked)*0x9E3779B97F4A7C15 | 1
			h.charge(key, now)
		}
		for _, key := range hot {
			if !h.shut(key|1, now) {
				t.Fatalf("%x was forgotten", key)
			}
			if h.shut(key|1, now+int64(time.Second)+1) {
				t.Fatalf("%x is shut for too long", key)
			}
		}
	})
}

func BenchmarkLoginGuarded(b *testing.B) {
	d, _, key := guarded(b, TokenSpec{})
	c := user(key)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Login(c, start); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoginHeld(b *testing.B) {
	d, _, _ := guarded(b, TokenSpec{})
	c := user(strings.Repeat("x", KeyLength))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Login(c, start); err == nil {
			b.Fatal("logged in")
		}
	}
}
