package bench

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// seen is one delivery of a test: to the subscriber at a place.
type seen struct {
	place int
	seq   uint64
	topic string
}

// TestJudges gives each judge what is right and what is not.
func TestJudges(t *testing.T) {
	word := func(a, b int) string { return fmt.Sprintf("t/%0*d/%0*d", digits, a, digits, b) }
	places := placesOf("t/" + numberMark + "/" + numberMark)
	for _, c := range []struct {
		name                         string
		judge                        judge
		seen                         []seen
		twice, disordered, straylike uint64
	}{
		{"order, right", orderJudge{}, []seen{{0, 1, ""}, {0, 4, ""}, {1, 2, ""}}, 0, 0, 0},
		{"order, wrong", orderJudge{}, []seen{{0, 4, ""}, {0, 1, ""}}, 0, 1, 0},
		{"once, right", onceJudge{}, []seen{{0, 4, ""}, {0, 1, ""}}, 0, 0, 0},
		{"once, twice", onceJudge{}, []seen{{0, 4, ""}, {0, 4, ""}}, 1, 0, 0},
		{"key, right", keyJudge{2}, []seen{{0, 0, ""}, {1, keyRun, ""}, {0, 2 * keyRun, ""}}, 0, 0, 0},
		{"key, another's", keyJudge{2}, []seen{{1, 0, ""}}, 0, 0, 1},
		{"key, disordered", keyJudge{2}, []seen{{0, 3, ""}, {0, 2, ""}}, 0, 1, 0},
		{"words, right", wordJudge{[2]int(places)}, []seen{{0, 0, word(0, 5)}, {6, 1, word(11, 16)}}, 0, 0, 0},
		{"words, first wrong", wordJudge{[2]int(places)}, []seen{{0, 0, word(1, 5)}}, 0, 0, 1},
		{"words, second wrong", wordJudge{[2]int(places)}, []seen{{0, 0, word(0, 6)}}, 0, 0, 1},
		{"words, none", wordJudge{[2]int(places)}, []seen{{0, 0, "t/a/b"}}, 0, 0, 1},
		{"topic, right", topicJudge{2}, []seen{{0, 0, word(3, 0)}, {0, 0, word(4, 0)}}, 0, 0, 0},
		{"topic, twice", topicJudge{2}, []seen{{0, 0, word(3, 0)}, {0, 1, word(3, 0)}}, 1, 0, 0},
		{"topic, none", topicJudge{2}, []seen{{0, 0, "t/x"}}, 0, 0, 1},
		{"group, right", &groupJudge{make([]bitset, 1)}, []seen{{0, 0, ""}, {1, 1, ""}, {0, 2, ""}}, 0, 0, 0},
		{"group, to two", &groupJudge{make([]bitset, 1)}, []seen{{0, 0, ""}, {1, 0, ""}}, 1, 0, 0},
		{"group, disordered", &groupJudge{make([]bitset, 1)}, []seen{{0, 2, ""}, {0, 1, ""}}, 0, 1, 0},
		{"sticky, right", newStickyJudge(1, 9, 2), []seen{{0, 0, word(3, 0)}, {1, 1, word(4, 0)}, {0, 2, word(3, 0)}}, 0, 0, 0},
		{"sticky, moved", newStickyJudge(1, 9, 2), []seen{{0, 0, word(3, 0)}, {1, 1, word(3, 0)}}, 0, 0, 1},
		{"sticky, to two", newStickyJudge(1, 9, 2), []seen{{0, 0, word(3, 0)}, {1, 0, word(3, 0)}}, 1, 0, 1},
		{"sticky, disordered", newStickyJudge(1, 9, 2), []seen{{0, 5, word(3, 0)}, {0, 4, word(3, 0)}}, 0, 1, 0},
		{"sticky, others' order", newStickyJudge(1, 9, 2), []seen{{0, 5, word(3, 0)}, {0, 4, word(4, 0)}}, 0, 0, 0},
		{"sticky, unknown", newStickyJudge(1, 9, 2), []seen{{0, 0, word(9, 0)}}, 0, 0, 1},
	} {
		links := make([]*link, 7)
		for i := range links {
			links[i] = &link{place: i, flows: make([]flow, 1)}
		}
		var twice, disordered, wrong uint64
		for _, s := range c.seen {
			if err := c.judge.see(links[s.place], 0, s.seq, []byte(s.topic)); err != nil {
				wrong++
			}
		}
		for _, l := range links {
			twice += l.flows[0].duplicated
			disordered += l.flows[0].disordered
		}
		if twice != c.twice || disordered != c.disordered || wrong != c.straylike {
			t.Errorf("%s: twice %d, disordered %d, wrong %d", c.name, twice, disordered, wrong)
		}
	}
}

// TestSelectorsMeetEveryTopicOnceALayer is what the scenario's expected deliveries
// rest on.
func TestSelectorsMeetEveryTopicOnceALayer(t *testing.T) {
	for i := range 4 * selectorSide * selectorSide {
		first, second := selectorClasses(i)
		for _, class := range []wordClass{first, second} {
			words := strings.Split(class.list(), ",")
			if len(words) != selectorWords {
				t.Fatalf("subscription %d has %d words", i, len(words))
			}
			for _, word := range words {
				if n, ok := digitsOf([]byte(word)); !ok || !class.has(n) || len(word) != digits {
					t.Fatalf("subscription %d has the word %q", i, word)
				}
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Uint64Range(0, selectorRange-1).Draw(t, "first")
		b := rapid.Uint64Range(0, selectorRange-1).Draw(t, "second")
		layer := rapid.IntRange(0, 9).Draw(t, "layer")
		met := 0
		for i := range selectorSide * selectorSide {
			first, second := selectorClasses(layer*selectorSide*selectorSide + i)
			if first.has(a) && second.has(b) {
				met++
			}
		}
		if met != 1 {
			t.Fatalf("%d subscriptions of layer %d meet %d/%d", met, layer, a, b)
		}
	})
}

func TestBitset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b bitset
		model := make(map[uint64]bool)
		for _, n := range rapid.SliceOf(rapid.Uint64Range(0, 300)).Draw(t, "numbers") {
			if b.add(n) == model[n] {
				t.Fatalf("%d: new %v, known %v", n, !model[n], model[n])
			}
			model[n] = true
		}
	})
	var b bitset
	if !b.add(maxBits) || !b.add(maxBits) || len(b) > 0 {
		t.Error("a number beyond the bound is remembered")
	}
}

// TestRunSeesStrays: a broker that knows nothing of conditions and sticky groups is
// found out.
func TestRunSeesStrays(t *testing.T) {
	addr := startFake(t, nil)
	small := func(c *Config) { c.Connections, c.Window, c.Batch = 4, 64, 32 }
	filtered := load(t, addr, func(c *Config) { small(c); c.Scenario = "filter-1000"; c.Rate = 200 })
	if filtered.Errors == 0 || !strings.Contains(filtered.FirstError, errStray.Error()) {
		t.Errorf("filter-1000: %+v", filtered)
	}
	if plain := load(t, addr, func(c *Config) { small(c); c.Scenario = "filter-plain" }); plain.Errors+plain.Lost > 0 || plain.Received == 0 {
		t.Errorf("filter-plain: %+v", plain)
	}
	selected := load(t, addr, func(c *Config) { small(c); c.Scenario = "selector"; c.Connections = 25; c.Rate = 500 })
	if selected.Errors == 0 {
		t.Errorf("selector: %+v", selected)
	}
	shared := load(t, addr, func(c *Config) { small(c); c.Scenario = "shared" })
	if shared.Errors+shared.Lost+shared.Duplicated+shared.OutOfOrder > 0 || shared.Received != shared.Sent {
		t.Errorf("shared: %+v", shared)
	}
	sticky := load(t, addr, func(c *Config) { small(c); c.Scenario = "sticky" })
	if sticky.Errors == 0 || !strings.Contains(sticky.FirstError, "has moved from member") {
		t.Errorf("sticky: %+v", sticky)
	}
}

func TestRunRefusesSizes(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Scenario: "filter-1", Payload: 64}, "payload of 64 bytes"},
		{Config{Scenario: "filter-1000", Count: 10}, "the number of expressions is 1000"},
		{Config{Scenario: "selector", Connections: 24}, "at least 25 connections"},
		{Config{Scenario: "retained-db", Count: 50}, "more than 10 and less than ten million"},
	} {
		if _, err := Run(t.Context(), c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	if errors.Is(errStray, errAlien) {
		t.Error("two errors are one")
	}
}
