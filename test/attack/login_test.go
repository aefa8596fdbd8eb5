package attack

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// login is what a CONNECT is answered by: its reason, or 0xFF for nothing.
func login(t testing.TB, b *alcovetest.Broker, change ...func(*wire.Connect)) byte {
	c := try(t, b)
	if c == nil {
		return 0xFF
	}
	defer c.Close()
	p := hello(b, change...)
	c.v = p.Version
	c.send(p.Bytes())
	c.SetReadDeadline(time.Now().Add(patience))
	ack, err := wire.Read(c.r, c.v)
	if err != nil {
		return 0xFF
	}
	return ack.Reason
}

func wrongShort(id string) func(*wire.Connect) {
	password := "0123456789abcdef"
	return func(p *wire.Connect) { p.User, p.Password = &id, &password }
}

// TestRow41_guessing: wrong logins are looked at as often as the setting says, then
// refused; what has been right before comes in all the same [EXT-TOK-1] [EXT-TOK-2].
func TestRow41_guessing(t *testing.T) {
	t.Parallel()
	wrong := strings.Repeat("x", 64)
	get := func(b *alcovetest.Broker, path string) func(testing.TB) byte {
		return func(t testing.TB) byte {
			req, _ := http.NewRequest("GET", "http://"+b.HTTP+path, nil)
			req.Header.Set("Authorization", "FlespiToken "+wrong)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode == 429 && resp.Header.Get("Retry-After") == "" {
				t.Error("429 without Retry-After")
			}
			return byte(resp.StatusCode - 300)
		}
	}
	for _, c := range []struct {
		name        string
		first, then byte
		try         func(b *alcovetest.Broker) func(testing.TB) byte
	}{
		{"5.0", 0x86, 0x9F, func(b *alcovetest.Broker) func(testing.TB) byte {
			return func(t testing.TB) byte { return login(t, b, as(wrong)) }
		}},
		{"3.1.1, id and short key", 4, 3, func(b *alcovetest.Broker) func(testing.TB) byte {
			return func(t testing.TB) byte { return login(t, b, version(v311), wrongShort("4711")) }
		}},
		{"REST", 401 - 300, 429 - 300, func(b *alcovetest.Broker) func(testing.TB) byte { return get(b, "/platform/tokens/all") }},
		{"auth/info", 401 - 300, 429 - 300, func(b *alcovetest.Broker) func(testing.TB) byte { return get(b, "/auth/info") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := alcovetest.Start(t, alcovetest.Config{})
			_, key := token(t, b, `"access":{"type":0}`)
			begun, try, looked, held := time.Now(), c.try(b), 0, 0
			for range 300 {
				switch got := try(t); got {
				case c.first:
					looked++
				case c.then:
					held++
				default:
					t.Fatalf("answered by %#x", got)
				}
			}
			if most := 21 + int(10*time.Since(begun).Seconds()); looked < 10 || looked > most || held == 0 {
				t.Errorf("%d were looked at of at most %d, %d refused", looked, most, held)
			}
			if got := login(t, b, as(key)); got != 0 {
				t.Errorf("a key made before, from the same address: %#x", got)
			}
			if got := login(t, b); got != 0 {
				t.Errorf("the operator, from the same address: %#x", got)
			}
			_, key = token(t, b, `"access":{"type":0}`)
			if got := login(t, b, as(key)); got != 0 {
				t.Errorf("a key made now, from the same address: %#x", got)
			}
		})
	}
}

// TestRow41_settingOff: failed_logins 0 looks at every login.
func TestRow41_settingOff(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{YAML: "failed_logins: 0\n"})
	for range 60 {
		if got := login(t, b, as(strings.Repeat("x", 64))); got != 0x86 {
			t.Fatalf("answered by %#x", got)
		}
	}
}

// TestRow40_rates: connects over the rates are told so, and the rate comes back.
func TestRow40_rates(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{"connect_rate: 5\n", "connect_rate_address: 5\n"} {
		b := everyDoor(t, yaml)
		counts := map[byte]int{}
		for range 40 {
			counts[login(t, b)]++
		}
		if counts[0] < 5 || counts[0] > 20 || counts[0]+counts[0x9F] != 40 {
			t.Errorf("%s: %v", yaml, counts)
		}
		time.Sleep(1200 * time.Millisecond)
		if got := login(t, b); got != 0 {
			t.Errorf("%s: a second later: %#x", yaml, got)
		}
	}
}

// TestRow40_flood: bad tokens as fast as they come, over TCP and TLS, while somebody is
// connected; nothing is held for long afterwards.
func TestRow40_flood(t *testing.T) {
	t.Parallel()
	b := everyDoor(t, "")
	c := connect(t, b)
	quiet := c.pings(100)
	var stop atomic.Bool
	var refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		packet := hello(b, as(strings.Repeat(string(rune('a'+i)), 64))).Bytes()
		wg.Go(func() {
			for !stop.Load() {
				n := transports[i%2].open(t, b)
				n.SetDeadline(time.Now().Add(patience))
				n.Write(packet)
				head := make([]byte, 2)
				if _, err := n.Read(head); err == nil {
					refused.Add(1)
				}
				n.Close()
			}
		})
	}
	time.Sleep(time.Second)
	laden := c.pings(300)
	stop.Store(true)
	wg.Wait()
	t.Logf("%d refused; p99 of a PING %v quiet, %v in the flood", refused.Load(), quiet, laden)
	if refused.Load() == 0 {
		t.Error("nobody was refused")
	}
	others(t, b)
}

// pings returns the 99th percentile of so many PINGREQ and their answers.
func (c *conn) pings(n int) time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		begun := time.Now()
		c.ping()
		all[i] = time.Since(begun)
		time.Sleep(time.Millisecond)
	}
	slices.Sort(all)
	return all[n*99/100]
}

// TestRow41_unknownLooksLikeWrong: what is answered to a known id and to one that does
// not exist is the same to the byte [EXT-TOK-1] [EXT-ACC-1].
func TestRow41_unknownLooksLikeWrong(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	id, _ := token(t, b, `"access":{"type":0}`)
	answers := map[string]map[string]bool{id: {}, "770000": {}}
	for range 60 {
		for name, seen := range answers {
			seen[string(raw(t, b, hello(b, wrongShort(name)).Bytes()))] = true
		}
	}
	if !maps.Equal(answers[id], answers["770000"]) || len(answers[id]) != 2 {
		t.Errorf("%x", fmt.Sprint(answers))
	}
}
