package topic

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// BenchmarkMatchSmall is a tree such as a small tenant has.
func BenchmarkMatchSmall(b *testing.B) {
	tree := NewTree[int]("flespi")
	for i := range 30 {
		tree.Add("bench/topic/"+strconv.Itoa(i), i)
	}
	b.Run("exact", func(b *testing.B) {
		benchMatch(b, tree, "bench/topic/7", "bench/topic/29")
	})
	tree.Add("bench/+/7", 1)
	tree.Add("other/#", 2)
	b.Run("wildcards", func(b *testing.B) {
		benchMatch(b, tree, "bench/topic/7", "bench/topic/29")
	})
}

// BenchmarkMatchExact1M has a million exact filters.
func BenchmarkMatchExact1M(b *testing.B) {
	tree := NewTree[int]("flespi")
	for i := range 1_000_000 {
		tree.Add("fleet/"+strconv.Itoa(i)+"/position", i)
	}
	benchMatch(b, tree, spread("fleet/", "/position", 1_000_000)...)
}

// BenchmarkMatchWildcard100k has 10⁵ wildcard filters of three shapes.
func BenchmarkMatchWildcard100k(b *testing.B) {
	tree := NewTree[int]("flespi")
	for i := range 100_000 {
		s := strconv.Itoa(i)
		tree.Add([]string{"fleet/" + s + "/+/state", "+/" + s + "/x/#", "fleet/+/" + s}[i%3], i)
	}
	benchMatch(b, tree, spread("fleet/", "/x/state", 100_000)...)
}

// BenchmarkMatchSubsWild has the filters and topics of the benchmark's scenario
// "subs-wild", at several sizes: each topic, one of all at random, matches two.
func BenchmarkMatchSubsWild(b *testing.B) {
	for _, n := range []int{10, 1_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			tree := NewTree[int]("flespi")
			for i := range n / 2 {
				tree.Add(fmt.Sprintf("bench/subs/%07d/+", i), i)
				tree.Add(fmt.Sprintf("bench/subs/+/%07d", i), i)
			}
			topic := []byte("bench/subs/0000000/0000000")
			dst := make([]int, 0, 64)
			random := uint32(1)
			b.ReportAllocs()
			for b.Loop() {
				random = random*1664525 + 1013904223
				number := int(uint64(random) * uint64(n/2) >> 32)
				for at := 17; at > 10; at-- {
					topic[at], topic[at+8], number = byte('0'+number%10), byte('0'+number%10), number/10
				}
				if dst = tree.Match(topic, dst[:0]); len(dst) != 2 {
					b.Fatal(len(dst))
				}
			}
		})
	}
}

// BenchmarkMatchSelectors1000 has 1,000 words at each of two levels [EXT-SEL-1].
func BenchmarkMatchSelectors1000(b *testing.B) {
	tree := NewTree[int]("flespi")
	tree.Add("fleet/"+wordList("v", 1000)+"/"+wordList("w", 1000)+"/state", 1)
	var names []string
	for i := range 1024 {
		names = append(names, fmt.Sprintf("fleet/v%d/w%d/state", i*7919%1000, i*104729%1000))
	}
	benchMatch(b, tree, names...)
}

// BenchmarkMemory reports the heap per subscription beside the filters' texts,
// and the longest Add, which is what publishers may wait for.
func BenchmarkMemory(b *testing.B) {
	const n = 1_000_000
	for _, c := range []struct{ name, format string }{
		{"exact", "fleet/%07d/position"},
		{"wildcard", "a/%07d/+"},
		{"long-wildcard", "a-filter-of-more-than-sixty-four-bytes-does-not-lend-its-words/%07d/+"},
	} {
		b.Run(c.name, func(b *testing.B) {
			texts, values := make([]string, n), make([]int, n)
			for i := range texts {
				texts[i] = fmt.Sprintf(c.format, i)
			}
			var each float64
			var longest time.Duration
			for b.Loop() {
				before := liveHeap()
				tree := NewTree[*int]("flespi")
				for i := range texts {
					from := time.Now()
					tree.Add(texts[i], &values[i])
					longest = max(longest, time.Since(from))
				}
				each = float64(liveHeap()-before) / n
				runtime.KeepAlive(tree)
			}
			b.ReportMetric(each, "B/subscription")
			b.ReportMetric(float64(longest.Microseconds()), "µs/longest-add")
			runtime.KeepAlive(texts)
		})
	}
}

// spread makes 1,024 names out of n, far from each other.
func spread(head, tail string, n int) (names []string) {
	for i := range 1024 {
		names = append(names, head+strconv.Itoa(i*7919%n)+tail)
	}
	return names
}

func benchMatch(b *testing.B, tree *Tree[int], names ...string) {
	topics := make([][]byte, len(names))
	for i, n := range names {
		topics[i] = []byte(n)
	}
	dst := make([]int, 0, 64)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		dst = tree.Match(topics[i%len(topics)], dst[:0])
	}
}

func BenchmarkAddRemove(b *testing.B) {
	tree := NewTree[int]("flespi")
	for i := range 100_000 {
		tree.Add("fleet/"+strconv.Itoa(i)+"/+/state", i)
	}
	filters := spread("fleet/", "/+/other", 1_000_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f := filters[i%len(filters)]
		tree.Add(f, i)
		tree.Remove(f, i)
	}
}

func BenchmarkCheckName(b *testing.B) {
	name := []byte("building/7/floor/3/sensor/12/temperature")
	b.ReportAllocs()
	for b.Loop() {
		if CheckName(name, 64) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkMatchSelector(b *testing.B) {
	name := []byte("building/7/floor/3/sensor/12/temperature")
	b.ReportAllocs()
	for b.Loop() {
		if !MatchSelector("building/7,8/+/3/#", name) {
			b.Fatal("no match")
		}
	}
}
