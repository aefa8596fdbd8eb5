package store

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"alcove/internal/event"
)

// allRows renders every row of a shelf.
func allRows(t fataler, s *Store, shelf event.Shelf) string {
	var all []string
	err := s.EachRow(shelf, func(account, time int64, value []byte) bool {
		all = append(all, fmt.Sprintf("%d@%d=%s", account, time, value))
		return true
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return strings.Join(all, " ")
}

// Rows of logs stand beside the rest: they survive as told, and a load passes them over
// [EXT-LOG-2].
func TestRowsSurvive(t *testing.T) {
	s, fs, w := fresh(t)
	w.must(t, true, session(7))
	row := func(shelf event.Shelf, account, time int64, value string) event.Row {
		return event.Row{Shelf: shelf, Account: account, Time: time, Value: []byte(value)}
	}
	put := []event.Row{
		row(event.Records, 1, 5, "a"), row(event.Records, 1, 6, "b"), row(event.Records, 2, 5, "c"),
		row(event.Sizes, 1, 5, "s"), row(event.Statistics, 1, 60, "m"),
	}
	if err := s.WriteRows(put, nil, true); err != nil {
		t.Fatal(err)
	}
	gone := []event.Span{{Shelf: event.Records, Account: 1, From: 0, To: 5}}
	if err := s.WriteRows([]event.Row{row(event.Records, 1, 7, "d")}, gone, true); err != nil {
		t.Fatal(err)
	}
	before := load(t, reopenClosing(t, fs.CrashClone(vfs.CrashCloneCfg{})))
	if len(before.Owners) != 1 {
		t.Errorf("after the crash there are %d owners", len(before.Owners))
	}
	again := reopenClosing(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	for shelf, want := range map[event.Shelf]string{
		event.Records: "1@6=b 1@7=d 2@5=c", event.Sizes: "1@5=s", event.Statistics: "1@60=m",
	} {
		if got := allRows(t, again, shelf); got != want {
			t.Errorf("%c: %s, want %s", shelf, got, want)
		}
	}
	first := ""
	_ = again.EachRow(event.Records, func(account, time int64, _ []byte) bool {
		first += fmt.Sprintf("%d@%d ", account, time)
		return false
	})
	if first != "1@6 2@5 " {
		t.Errorf("the first of each account: %s", first)
	}
}

// Any writes of rows read back as from a sorted list.
func TestRowsLikeAList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := NewMemory()
		defer s.Close()
		model := map[int64]string{}
		for i := range rapid.IntRange(1, 30).Draw(rt, "writes") {
			span := event.Span{Shelf: event.Records, Account: 3, From: rapid.Int64Range(0, 50).Draw(rt, "from")}
			span.To = span.From + rapid.Int64Range(0, 5).Draw(rt, "length")
			at := rapid.Int64Range(0, 50).Draw(rt, "at")
			for time := span.From; time <= span.To; time++ {
				delete(model, time)
			}
			model[at] = fmt.Sprint(i)
			row := event.Row{Shelf: event.Records, Account: 3, Time: at, Value: []byte(model[at])}
			if err := s.WriteRows([]event.Row{row}, []event.Span{span}, i%2 == 0); err != nil {
				rt.Fatal(err)
			}
		}
		var want, got []string
		from, to := rapid.Int64Range(0, 50).Draw(rt, "low"), rapid.SampledFrom([]int64{20, 50, math.MaxInt64}).Draw(rt, "high")
		for time := from; time <= min(to, 60); time++ {
			if v, ok := model[time]; ok {
				want = append(want, v)
			}
		}
		err := s.ReadRows(event.Span{Shelf: event.Records, Account: 3, From: from, To: to}, func(_ int64, value []byte) bool {
			got = append(got, string(value))
			return true
		})
		if err != nil || !slices.Equal(got, want) {
			rt.Fatalf("%v, %v, not %v", err, got, want)
		}
	})
}
