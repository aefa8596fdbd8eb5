package journal

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/event"
)

// teller publishes what happens in accounts, within them.
type teller struct {
	batches chan []event.Record
	stop    chan struct{}
	stopped chan struct{}
	begun   atomic.Bool
	missed  atomic.Bool // records were left untold: the states of subaccounts may be others

	mu       sync.Mutex
	stage    Stage
	accounts map[auth.AccountID]*told
	minute   time.Time // the begin of the one that is being counted
	reaped   time.Time
}

// told is what was published last of an account, and what it had done at the begin of
// the minute.
type told struct {
	counters []int64 // nil: nothing yet
	deleted  []int64 // subaccounts that are told as deleted, the oldest first
	called   bool    // it uses REST, maybe nothing else
	base     figures
	kept     gauges // of the last minute that was stored
}

func (t *teller) init() {
	t.batches = make(chan []event.Record, tellBatches)
	t.stop, t.stopped = make(chan struct{}), make(chan struct{})
	t.accounts = make(map[auth.AccountID]*told)
}

// offer gives records to the teller, unless it is too far behind.
func (t *teller) offer(records []taken) {
	if len(records) == 0 || !t.begun.Load() {
		return
	}
	list := make([]event.Record, len(records))
	for i := range records {
		list[i] = records[i].Record
	}
	select {
	case t.batches <- list:
	default:
		t.missed.Store(true)
	}
}

// tell is the teller.
func (j *Journal) tell(s Stage) {
	t := &j.teller
	defer close(t.stopped)
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			j.endMinute(time.Now())
			return
		case list := <-t.batches:
			j.announce(s, list)
		case now := <-tick.C:
			j.count(s)
			if now.Unix()/60 != t.minute.Unix()/60 {
				j.endMinute(now)
			}
			if now.Sub(t.reaped) >= reapEvery {
				t.reaped = now
				j.reap(now)
			}
		}
	}
}

// announce tells records live [EXT-LOG-2], account by account, in order.
func (j *Journal) announce(s Stage, list []event.Record) {
	slices.SortStableFunc(list, func(a, b event.Record) int { return int(min(max(a.Account-b.Account, -1), 1)) })
	for len(list) > 0 {
		account := auth.AccountID(list[0].Account)
		n := 1
		for n < len(list) && list[n].Account == list[0].Account {
			n++
		}
		if j.heard(s, account) {
			tell := make([]broker.Announcement, n)
			for i := range tell {
				tell[i] = announcement(&list[i])
			}
			s.Announce(account, tell)
		}
		for i := range list[:n] {
			j.follow(s, &list[i])
		}
		list = list[n:]
	}
}

// heard tells whether anybody may hear what is told in the account: it, or one above it,
// is active.
func (j *Journal) heard(s Stage, account auth.AccountID) bool {
	return slices.ContainsFunc(j.cfg.Directory.Ancestors(account), s.Active)
}

// announcement is a record as it is told. The life of a session has a form of its own:
// the session as it is, or was.
func announcement(r *event.Record) broker.Announcement {
	topic := "log/" + r.Origin.String() + "/"
	if r.Origin != event.Account {
		topic += strconv.FormatInt(r.OriginID, 10) + "/"
	}
	a := broker.Announcement{Topic: topic + r.Code.Name()}
	if r.Origin == event.Session && r.Code <= event.Deleted && len(r.Item) > 0 {
		a.Payload = r.Item
	} else {
		a.Payload = r.AppendJSON(nil)
	}
	return a
}
