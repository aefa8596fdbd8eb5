package conform

import (
	"fmt"

	"alcove/test/conform/wire"
)

// flock is the members of a sticky group and where the case saw its messages go.
type flock struct {
	k      *Kit
	filter string
	pub    *Client
	ids    []string
	on     map[int]*Client
}

// flock makes a sticky group on the words after the case's own two levels;
// suffix is its from and count.
func (k *Kit) flock(suffix, levels string, n int) *flock {
	f := &flock{k: k, filter: "$share/" + k.Name() + suffix + "/" + k.Topic(levels), pub: k.Connect(), on: map[int]*Client{}}
	for range n {
		f.join()
	}
	return f
}

// join adds a member and returns its index.
func (f *flock) join() int {
	f.ids = append(f.ids, f.k.Name())
	i := len(f.ids) - 1
	f.on[i] = f.k.Connect(kept(f.ids[i]))
	f.on[i].Grant(f.filter, 2)
	return i
}

// leave takes a member offline; its session stays.
func (f *flock) leave(i int) {
	f.on[i].Bye()
	delete(f.on, i)
}

// back brings a member online again.
func (f *flock) back(i int) { f.on[i] = f.k.Connect(kept(f.ids[i])) }

// where publishes once to each topic and tells which member got it.
func (f *flock) where(topics []string, qos byte) map[string]int {
	for _, t := range topics {
		f.pub.Say(f.k.Topic(t), t, qos)
	}
	at := map[string]int{}
	f.k.Until("all messages have come", func() bool {
		for i, c := range f.on {
			for _, p := range c.Drain() {
				if old, ok := at[p.Payload]; ok {
					f.k.Fatalf("%s comes to member %d and to %d", p.Payload, old, i)
				}
				at[p.Payload] = i
			}
		}
		return len(at) >= len(topics)
	})
	return at
}

// same fails the case where the two maps differ, except for topics that either
// gives to the member skip; it returns how many of those there are.
func (f *flock) same(what string, before, after map[string]int, skip int) (moved int) {
	var wrong []string
	for t, i := range before {
		switch {
		case i == skip || after[t] == skip:
			if i != after[t] {
				moved++
			}
		case after[t] != i:
			wrong = append(wrong, fmt.Sprintf("%s from member %d to %d", t, i, after[t]))
		}
	}
	if len(wrong) > 0 {
		f.k.Errorf("%s: %d of %d topics move between members that stay, as %s", what, len(wrong), len(before), wrong[0])
	}
	return moved
}

func words(prefix string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}

var stickyCases = []Case{
	{V5: "EXT-SHR-4", V311: "EXT-SHR-4", V31: "EXT-SHR-4", Title: "equal words stay with one member at every QoS, and each member has some", Needs: needsDialect, Run: func(k *Kit) {
		f := k.flock(":2:1", "+", 3)
		topics := words("w", 60)
		first := f.where(topics, 1)
		for qos := range byte(3) {
			f.same(fmt.Sprint("QoS ", qos), first, f.where(topics, qos), -1)
		}
		counts := map[int]int{}
		for _, i := range first {
			counts[i]++
		}
		if counts[0] < 5 || counts[1] < 5 || counts[2] < 5 {
			k.Errorf("60 words are spread as %v", counts)
		}
	}},
	{V5: "EXT-SHR-4", V311: "EXT-SHR-4", Title: "a joining member takes its share, a leaving one's is spread, a returning one gets its own", Needs: needsDialect, Run: func(k *Kit) {
		f := k.flock(":2:1", "+", 3)
		topics := words("w", 120)
		three := f.where(topics, 1)
		newest := f.join()
		four := f.where(topics, 1)
		if moved := f.same("join", three, four, newest); moved < 10 || moved > 60 {
			k.Errorf("a fourth member takes %d of 120", moved)
		}
		f.leave(newest)
		f.same("leave of the newest", three, f.where(topics, 1), -1)
		f.leave(0)
		two := f.where(topics, 1)
		f.same("leave", three, two, 0)
		heirs := map[int]int{}
		for t, i := range three {
			if i == 0 {
				heirs[two[t]]++
			}
		}
		if heirs[1] == 0 || heirs[2] == 0 {
			k.Errorf("the leaver's words are spread as %v", heirs)
		}
		f.back(0)
		f.same("return", three, f.where(topics, 1), -1)
		f.on[1].Unsubscribe(f.filter)
		delete(f.on, 1)
		f.same("unsubscribe", three, f.where(topics, 1), 1)
	}},
	{V5: "EXT-SHR-4", V311: "EXT-SHR-4", Title: "the fingerprint is the words from:count, missing ones empty", Needs: needsDialect, Run: func(k *Kit) {
		for _, form := range []struct {
			suffix string
			topics [][]string // each list shares a fingerprint
		}{
			{":2:1", [][]string{{"a", "a/1", "a/2/x", "a/"}, {"b", "b/1"}}},
			{":3:1", [][]string{{"a/z", "b/z", "c/z/q"}, {"a", "b", "c/"}}},
			{":3:2", [][]string{{"a/x/y", "b/x/y", "c/x/y/z"}, {"a/x", "b/x", "c/x/"}, {"a", "b", "c//"}}},
			{":0:2", [][]string{{"a", "b/c", "d/e/f"}}},
			{":2", [][]string{{"a", "b/c", "d/e/f"}}},
			{":3", [][]string{{"a", "a/b", "a/c/d"}, {"b", "b/x"}}},
			{":9:5", [][]string{{"a", "b", "c/d"}}},
			{":65535:65535", [][]string{{"a", "b", "c/d"}}},
		} {
			f := k.flock(form.suffix, "#", 3)
			for _, alike := range form.topics {
				at := f.where(alike, 1)
				for _, t := range alike {
					if at[t] != at[alike[0]] {
						k.Errorf("%s: %s and %s go to different members", form.suffix, alike[0], t)
					}
				}
			}
			for i := range f.on {
				f.on[i].Unsubscribe(f.filter)
			}
		}
	}},
	{V5: "EXT-SHR-4", Title: "words that differ spread, though their text joined is the same", Needs: needsDialect, Run: func(k *Kit) {
		f := k.flock(":2:2", "#", 3)
		spread := false
		for i := range 20 { // one in three would agree by chance
			at := f.where([]string{fmt.Sprintf("a%d/b", i), fmt.Sprintf("a/%db", i)}, 1)
			spread = spread || at[fmt.Sprintf("a%d/b", i)] != at[fmt.Sprintf("a/%db", i)]
		}
		if !spread {
			k.Errorf("the words are joined without anything between them")
		}
	}},
	{V5: "EXT-SHR-4", Title: "a full member's messages wait for it while others' pass", Needs: needsDialect, Run: func(k *Kit) {
		f := k.flock(":2:1", "+", 1)
		narrow := f.on[0]
		f.leave(0)
		narrow = k.Connect(kept(f.ids[0]), withProps(wire.Num(wire.ReceiveMaximum, 1)))
		f.on[0] = narrow
		f.join()
		topics := words("w", 40)
		at := f.where(topics, 1)
		var his, other string
		for t, i := range at {
			if i == 0 {
				his = t
			} else {
				other = t
			}
		}
		if his == "" || other == "" {
			k.Fatalf("spread as %v", at)
		}
		for i := range 5 {
			f.pub.Say(k.Topic(his), fmt.Sprint("his", i), 1)
			f.pub.Say(k.Topic(other), fmt.Sprint("other", i), 1)
		}
		for i := range 5 {
			f.on[1].Want(fmt.Sprint("other", i))
		}
		f.on[1].Silent()
		for i := range 5 {
			narrow.Want(fmt.Sprint("his", i))
		}
		f.on[1].Silent()
		narrow.Silent()
	}},
	{V5: "EXT-SHR-4 EXT-SHR-2", V311: "EXT-SHR-4 EXT-SHR-2", Title: "what a leaver has not acknowledged follows its words, in their order", Needs: needsDialect, Run: func(k *Kit) {
		f := k.flock(":2:1", "+", 3)
		topics := words("w", 30)
		before := f.where(topics, 1)
		for round := range 3 {
			for _, t := range topics {
				f.pub.Say(k.Topic(t), fmt.Sprint(t, " ", round), 1)
			}
		}
		f.on[0].Ping()
		f.on[0].Drop() // with all of its own unanswered
		delete(f.on, 0)
		next, total := map[string]int{}, 0
		k.Until("all messages have come", func() bool {
			for i, c := range f.on {
				for _, p := range c.Drain() {
					var t string
					var round int
					fmt.Sscanf(p.Payload, "%s %d", &t, &round)
					if round != next[t] || before[t] != 0 && before[t] != i {
						k.Fatalf("member %d gets %q after %d of its topic", i, p.Payload, next[t])
					}
					next[t]++
					total++
				}
			}
			return total == 90
		})
	}},
	{V5: "EXT-SHR-4 EXT-SHR-3", V311: "EXT-SHR-4 EXT-SHR-3", Title: "a sticky group stores while nobody is online", Needs: needsDialect, Run: func(k *Kit) {
		f := k.flock(":2:1", "+", 2)
		f.leave(0)
		f.leave(1)
		for i := range 20 {
			f.pub.Say(k.Topic(fmt.Sprint("w", i%5)), fmt.Sprint(i), byte(1+i%2))
		}
		f.back(1)
		k.inOrder(f.on[1], 20)
		f.back(0)
		f.on[0].Silent()
		f.on[1].Silent()
	}},
}
