package journal

import (
	"hash/maphash"
	"strings"
	"sync"

	"alcove/internal/event"
)

// intake is one of the places where records come in.
type intake struct {
	mu      sync.Mutex
	pending []taken // for the writer
	spare   []taken // the writer gives it back
	last    int64   // the time of the last record: each has its own, and they grow

	stir chan struct{} // rings the writer where nothing was there before

	// Of the present second, which begins with its first record.
	begun   int64         // UNIX microseconds
	kinds   map[kind]*sum // nil: there was one record, which is kept already
	classes map[class]*state
}

// taken is a record on its way to the log.
type taken struct {
	event.Record
	audit bool // it is stored whatever happens
}

// kind is happenings to one item.
type kind struct {
	class
	origin event.Origin
	item   int64
	text   uint64 // hash of what else tells kinds of the code apart
}

// class is all kinds of one account and code.
type class struct {
	account int64
	code    event.Code
}

// state is what a class has had in the second.
type state struct {
	kinds int
	rest  sum // what was over the bound of kinds
}

// sum is what is still to be told of a second.
type sum struct {
	record event.Record // the last of them
	count  int
}

func (s *sum) add(r *event.Record) {
	s.record = *r
	s.count += max(1, r.Count)
}

func (in *intake) init(stir chan struct{}) {
	in.stir = stir
	in.kinds, in.classes = make(map[kind]*sum), make(map[class]*state)
}

// kindOf says with which others a record is summed up: those of the same item and, where
// one item has many things that happen to it, of the same thing.
func (j *Journal) kindOf(r *event.Record) kind {
	k := kind{class: class{r.Account, r.Code}, origin: r.Origin, item: r.OriginID}
	switch r.Code {
	case event.SubscriptionCreated, event.SubscriptionUpdated, event.SubscriptionDeleted, event.Subscribed, event.Unsubscribed:
		k.text = maphash.String(j.seed, r.Topic)
	case event.Request:
		k.text = maphash.String(j.seed, r.Topic) + uint64(r.Close)
	case event.Accepted, event.ConnectBlocked, event.ConnectRejected, event.Closed, event.PublishRejected, event.MessageDropped:
		if r.OriginID == 0 { // there is no session: who is it?
			k.text = maphash.String(j.seed, r.ClientID)
		}
	}
	return k
}

// echo tells that a record is about what the journal itself has told live: to log
// that would make another one, for ever.
func (j *Journal) echo(r *event.Record) bool {
	if r.Code != event.MessageDropped && r.Code != event.PublishRejected {
		return false
	}
	rest, ok := strings.CutPrefix(r.Topic, j.cfg.Reserved)
	return ok && (strings.HasPrefix(rest, "/log/") || strings.HasPrefix(rest, "/state/"))
}

// take keeps or sums up a record; false where it can do neither. Under mu.
func (in *intake) take(r *event.Record, k kind, now int64) bool {
	if s, seen := in.kinds[k]; seen {
		if s == nil {
			s = &sum{}
			in.kinds[k] = s
		}
		s.add(r)
		return true
	}
	c := in.classes[k.class]
	if c == nil {
		if len(in.classes) == 0 {
			in.begun = now
		}
		if len(in.classes) >= classesPerIntake {
			return false
		}
		c = &state{}
		in.classes[k.class] = c
	}
	if c.kinds >= kindsPerClass || len(in.kinds) >= kindsPerIntake || len(in.pending) >= intakeRecords {
		c.rest.add(r)
		return true
	}
	c.kinds++
	in.kinds[k] = nil
	in.push(r, now, false)
	return true
}

// push gives a record to the writer, with a time of its own. Under mu.
func (in *intake) push(r *event.Record, now int64, audit bool) {
	in.last = max(now, in.last+1)
	t := taken{*r, audit}
	t.Time = in.last
	if in.pending = append(in.pending, t); len(in.pending) == 1 {
		select {
		case in.stir <- struct{}{}:
		default:
		}
	}
}

// summary ends the second, once it is over: what was left out of it comes in as one record for each kind,
// and one for what was over the bounds of a class. It tells whether one still runs.
func (in *intake) summary(now int64) (running bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.classes) == 0 {
		return false
	}
	if d := now - in.begun; d >= 0 && d < second {
		return true
	}
	for _, s := range in.kinds {
		if s != nil {
			s.record.Count = s.count
			in.push(&s.record, now, false)
		}
	}
	for _, c := range in.classes {
		if c.rest.count > 0 {
			r := &c.rest.record
			*r = event.Record{Code: r.Code, Account: r.Account, Origin: r.Origin, Count: c.rest.count,
				Reason: "too many in one second: they are summed up"}
			in.push(r, now, false)
		}
	}
	if len(in.kinds) > kindsPerIntake/4 {
		in.kinds, in.classes = make(map[kind]*sum), make(map[class]*state)
	}
	clear(in.kinds)
	clear(in.classes)
	return false
}

// second is one, in microseconds.
const second = int64(1e6)

// drain takes the records that have come in.
func (in *intake) drain(dst []taken) []taken {
	in.mu.Lock()
	list := in.pending
	in.pending, in.spare = in.spare[:0], nil
	in.mu.Unlock()
	dst = append(dst, list...)
	clear(list)
	if cap(list) <= recordsKept {
		in.mu.Lock()
		if in.spare == nil {
			in.spare = list[:0]
		}
		in.mu.Unlock()
	}
	return dst
}
