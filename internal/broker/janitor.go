package broker

import (
	"container/heap"
	"sync"
	"time"
)

// janitor does what is due later: the end of detached sessions, delayed Wills,
// and the removal of retained messages that have expired. One goroutine, one
// heap with at most one place per session.
type janitor struct {
	b    *Broker
	wake chan struct{}
	stop chan struct{}
	idle sync.WaitGroup

	mu   sync.Mutex
	heap timers
}

// timers is the heap. A session keeps its place and when it is due.
type timers []*Session

func (h timers) Len() int           { return len(h) }
func (h timers) Less(i, j int) bool { return h[i].due < h[j].due }
func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = int32(i+1), int32(j+1)
}
func (h *timers) Push(x any) {
	s := x.(*Session)
	*h = append(*h, s)
	s.place = int32(len(*h))
}
func (h *timers) Pop() any {
	old := *h
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	s.place = 0
	return s
}

// expireEvery is how often retained messages are looked through for expired
// ones.
const expireEvery = time.Minute

func newJanitor(b *Broker) *janitor {
	return &janitor{b: b, wake: make(chan struct{}, 1), stop: make(chan struct{})}
}

func (j *janitor) start() {
	j.idle.Add(1)
	go j.run()
}

func (j *janitor) close() {
	close(j.stop)
	j.idle.Wait()
}

// watch calls for the session at the given time, UNIX nanoseconds; 0 is never.
func (j *janitor) watch(s *Session, at int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if at == 0 {
		if s.place > 0 {
			heap.Remove(&j.heap, int(s.place-1))
		}
		return
	}
	s.due = at
	if s.place > 0 {
		heap.Fix(&j.heap, int(s.place-1))
	} else {
		heap.Push(&j.heap, s)
	}
	if s.place == 1 {
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
}

func (j *janitor) cancel(s *Session) { j.watch(s, 0) }

// due takes the sessions whose time has come, some at a time, and says when the
// next one comes.
func (j *janitor) due(now time.Time, dst []*Session) ([]*Session, time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.heap) > 0 && len(dst) < 256 {
		if wait := time.Duration(j.heap[0].due - now.UnixNano()); wait > 0 {
			return dst, wait
		}
		dst = append(dst, heap.Pop(&j.heap).(*Session))
	}
	if len(j.heap) == 0 {
		return dst, expireEvery
	}
	return dst, 0
}

func (j *janitor) run() {
	defer j.idle.Done()
	t := j.b.NewTurn()
	clock := time.NewTimer(0)
	defer clock.Stop()
	swept := time.Now()
	var due []*Session
	for {
		select {
		case <-j.stop:
			return
		case <-j.wake:
		case <-clock.C:
		}
		t.Begin(time.Now())
		wait := time.Duration(0)
		due, wait = j.due(t.Now, due[:0])
		for i, s := range due {
			j.b.attend(t, s)
			due[i] = nil
		}
		if t.Now.Sub(swept) >= expireEvery {
			swept = t.Now
			j.b.expireRetained(t)
		}
		t.End()
		clock.Reset(min(wait, expireEvery))
	}
}

// attend does what is due for a detached session.
func (b *Broker) attend(t *Turn, s *Session) {
	s.ns.mu.Lock()
	if s.claimed() != nil || s.link.Load() != nil {
		s.ns.mu.Unlock()
		return
	}
	// The claim keeps a connect from taking a session that is ending.
	claim := &connecting{b: b, ns: s.ns, s: s, clientID: s.clientID}
	s.contested().claim = claim
	s.ns.mu.Unlock()
	defer claim.unclaim()
	now := t.Now.UnixNano()
	s.mu.Lock()
	if s.ended || s.detached == 0 || s.link.Load() != nil {
		s.mu.Unlock()
		return
	}
	over := s.overflowed || s.expiry != never && s.detached+int64(s.expiry)*1e9 <= now
	w := s.will
	if w != nil && w.due <= now && !over {
		s.will = nil
		if s.recorded {
			s.record(t, false, Record{Kind: KindSession, Session: s.snapshotFor(nil)})
		}
	} else {
		w = nil
	}
	s.mu.Unlock()
	if over {
		s.end(t, "its time was over")
		t.settleShared()
		return
	}
	t.fire(s.ns, s.clientID, w)
	b.janitor.watch(s, s.deadline())
}

// expireRetained goes through all retained messages, a bounded piece under each
// lock.
func (b *Broker) expireRetained(t *Turn) {
	b.mu.RLock()
	all := make([]*Namespace, 0, len(b.namespaces))
	for _, ns := range b.namespaces {
		all = append(all, ns)
	}
	b.mu.RUnlock()
	for _, ns := range all {
		for at := ns.expire(t, ""); at != ""; at = ns.expire(t, at) {
		}
	}
}
