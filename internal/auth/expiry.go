package auth

import (
	"container/heap"
	"time"
)

// Touch notes a use of the token, so that its ttl begins again [EXT-TOK-3]. Memory
// has the time at once; the store gets it from Sweep, at most once a minute per token.
func (d *Directory) Touch(id TokenID, now time.Time) {
	if e := d.tokens.get(id); e != nil {
		d.touch(e, id, now.Unix())
	}
}

func (d *Directory) touch(e *entry, id TokenID, now int64) {
	last := e.accessed.Load()
	if now <= last || !e.accessed.CompareAndSwap(last, now) {
		return // the same second, or another use just noted
	}
	if e.dirty.CompareAndSwap(false, true) {
		d.used.Lock()
		d.used.dirty = append(d.used.dirty, e)
		d.used.Unlock()
	}
}

// SetLive counts the sessions that are online with the token: +1 when one attaches,
// -1 when it detaches. While the count is over zero the token's ttl does not run
// [EXT-TOK-3].
func (d *Directory) SetLive(id TokenID, delta int, now time.Time) {
	e := d.tokens.get(id)
	if e == nil {
		return
	}
	d.used.Lock()
	n := e.live.Add(int64(delta))
	switch {
	case e.gone.Load():
	case n <= 0:
		delete(d.used.live, id)
	case n == int64(delta):
		d.used.live[id] = struct{}{}
	}
	d.used.Unlock()
	d.touch(e, id, now.Unix())
}

// Sweep deletes the tokens that have lapsed and tells the Observer, refreshes the
// tokens with live sessions, and writes the times of last use that are due. It
// returns when to call it next, at most a second later. It writes to the store, so it
// belongs on a goroutine that may wait. What has not lapsed costs it nothing: lapses
// come from a heap.
func (d *Directory) Sweep(now time.Time) (time.Duration, error) {
	seconds := now.Unix()
	d.write.Lock()
	lapsed, err := d.lapse(seconds)
	if err == nil {
		err = d.flush(seconds, false)
	}
	next := sweepInterval
	if len(d.write.due) > 0 && err == nil {
		at := time.Unix(d.write.due[0].at, 0)
		next = min(next, max(at.Sub(now), 10*time.Millisecond))
	}
	d.write.Unlock()
	for i := range lapsed {
		d.notify().TokenLapsed(lapsed[i])
		d.notify().TokenGone(lapsed[i].ID)
	}
	return next, err
}

// Flush writes every time of last use that the store does not have yet: the last
// call before the store is closed.
func (d *Directory) Flush(now time.Time) error {
	d.write.Lock()
	defer d.write.Unlock()
	return d.flush(now.Unix(), true)
}

// lapse deletes what has lapsed, in batches; what it returns is deleted even when
// there is an error. Callers hold write.
func (d *Directory) lapse(now int64) ([]Token, error) {
	var gone []Token
	for {
		var batch []*entry
		var docs []Document
		for len(d.write.due) > 0 && d.write.due[0].at <= now && len(batch) < flushBatch {
			e := d.write.due[0].entry
			r := e.rec.Load()
			if r.TTL != 0 && e.live.Load() > 0 {
				e.accessed.Store(max(now, e.accessed.Load()))
			}
			if end := r.deadline(e.accessed.Load()); end == 0 || end > now {
				d.schedule(e) // used since, or changed
				continue
			}
			d.unschedule(e)
			batch = append(batch, e)
			docs = append(docs, Document{ID: int64(r.ID)})
		}
		if len(batch) == 0 {
			return gone, nil
		}
		if err := d.put(kindToken, docs); err != nil {
			for _, e := range batch {
				d.schedule(e)
			}
			return gone, err
		}
		for _, e := range batch {
			d.uninstall(e)
			gone = append(gone, e.token())
		}
	}
}

// flush writes the times of last use once a minute, or now if told so. Callers hold
// write.
func (d *Directory) flush(now int64, all bool) error {
	since := now - d.write.flushed
	if !all && since >= 0 && since < accessedWindow {
		return nil
	}
	d.write.flushed = now
	d.used.Lock()
	dirty := d.used.dirty
	d.used.dirty = nil
	for id := range d.used.live {
		if e := d.tokens.get(id); e != nil {
			e.accessed.Store(max(now, e.accessed.Load()))
			if e.dirty.CompareAndSwap(false, true) {
				dirty = append(dirty, e)
			}
		}
	}
	d.used.Unlock()
	for len(dirty) > 0 {
		batch := dirty[:min(len(dirty), flushBatch)]
		docs := make([]Document, 0, len(batch))
		for _, e := range batch {
			e.dirty.Store(false) // before the time is read: a later use marks it again
			if !e.gone.Load() {
				docs = append(docs, tokenDocument(e.rec.Load(), e.accessed.Load()))
			}
		}
		if err := d.put(kindToken, docs); err != nil {
			for _, e := range batch {
				e.dirty.Store(true)
			}
			d.used.Lock()
			d.used.dirty = append(d.used.dirty, dirty...)
			d.used.Unlock()
			return err
		}
		dirty = dirty[len(batch):]
	}
	return nil
}

// dueHeap orders tokens by the time at which they were last known to lapse. A use
// only ever moves that time later, which is found out when the time comes.
type dueHeap []due

type due struct {
	at    int64 // UNIX s
	entry *entry
}

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].entry.slot, h[j].entry.slot = i, j
}

func (h *dueHeap) Push(x any) {
	item := x.(due)
	item.entry.slot = len(*h)
	*h = append(*h, item)
}

func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = due{}
	*h = (*h)[:len(*h)-1]
	last.entry.slot = -1
	return last
}

// schedule gives the token its one place in the heap. Callers hold write.
func (d *Directory) schedule(e *entry) {
	at := e.rec.Load().deadline(e.accessed.Load())
	switch {
	case at == 0:
		d.unschedule(e)
	case e.slot < 0:
		heap.Push(&d.write.due, due{at, e})
	default:
		d.write.due[e.slot].at = at
		heap.Fix(&d.write.due, e.slot)
	}
}

func (d *Directory) unschedule(e *entry) {
	if e.slot >= 0 {
		heap.Remove(&d.write.due, e.slot)
	}
}
