package broker

import (
	"fmt"
	"testing"

	"alcove/internal/mqtt"
)

// TestParseStamp reads timestamps as publishers write them [EXT-UP-1].
func TestParseStamp(t *testing.T) {
	for text, want := range map[string]int64{
		"1": 1_000_000, "1.5": 1_500_000, "1700000000.123456": 1_700_000_000_123_456,
		"1700000000.1234569": 1_700_000_000_123_456, "0.000001": 1, "000012": 12_000_000,
		"": 0, ".": 0, ".5": 0, "5.": 0, "-1": 0, "+1": 0, "1e9": 0, "0x10": 0, "1.2.3": 0, " 1": 0, "1 ": 0,
		"nan": 0, "0": 1, "00": 1, "0.0000001": 1, "99999999999999999999": 0,
	} {
		got, ok := parseStamp([]byte(text))
		if ok != (want != 0) || ok && got != want {
			t.Errorf("%q is read as %d, %v", text, got, ok)
		}
	}
}

// TestDressing encodes the broker's properties of messages that follow one another:
// what is left of one must not show in the next [EXT-UP-1] [EXT-UP-2].
func TestDressing(t *testing.T) {
	var x dressing
	user := func(pairs ...string) []byte {
		var u []byte
		for i := 0; i < len(pairs); i += 2 {
			u = mqtt.AppendUser(u, pairs[i], pairs[i+1])
		}
		return u
	}
	own := func(stamp string, token, account int) []byte {
		return user("timestamp", stamp, "token_id", fmt.Sprint(token), "cid", fmt.Sprint(account))
	}
	const second = 1_700_000_000_000_000
	for i, c := range []struct {
		m               Message
		forward, stamps []byte
	}{
		{Message{Stamp: second, Token: 7, Account: 3}, nil, own("1700000000.000000", 7, 3)},
		{Message{Stamp: second + 123, Token: 7, Account: 3}, nil, own("1700000000.000123", 7, 3)},
		{Message{Stamp: second + 999_999, Token: 7, Account: 3}, nil, own("1700000000.999999", 7, 3)},
		{Message{Stamp: second + 1_000_000, Token: 7, Account: 3}, nil, own("1700000001.000000", 7, 3)},
		{Message{Stamp: second + 1_000_001, Token: 8, Account: 3}, nil, own("1700000001.000001", 8, 3)},
		{Message{Stamp: second + 1_000_002, Token: 8, Account: 4}, nil, own("1700000001.000002", 8, 4)},
		{Message{Stamp: 1_500_000, Token: 8, Account: 4, Forward: user("timestamp", "1.5", "a", "b")}, user("a", "b"), own("1.5", 8, 4)},
		{Message{Stamp: 1_600_000, Token: 8, Account: 4}, nil, own("1.600000", 8, 4)},
		{Message{Stamp: 1_600_001, Token: 8, Account: 4, Forward: user("timestamp", "9", "cid", "1", "a", "b", "a", "c")}, user("a", "b", "a", "c"), own("1.600001", 8, 4)},
		{Message{Stamp: 1_600_002, Token: 8, Account: 4}, nil, own("1.600002", 8, 4)},
	} {
		forward, stamps := x.of(&c.m)
		if string(forward) != string(c.forward) || string(stamps) != string(c.stamps) {
			t.Errorf("message %d: %q and %q", i, forward, stamps)
		}
	}
}

// BenchmarkDressing is what the broker's properties of one more message cost, before
// they are copied to its receivers.
func BenchmarkDressing(b *testing.B) {
	var x dressing
	m := &Message{Stamp: 1_700_000_000_000_000, Token: 123456789012, Account: 1234567890}
	b.ReportAllocs()
	for b.Loop() {
		m.Stamp++
		x.forget()
		x.of(m)
	}
}
