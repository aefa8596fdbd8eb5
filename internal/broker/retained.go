package broker

import (
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/tidwall/btree"

	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// retained is a namespace's retained messages, which outlive the sessions that
// published them [MQTT311-3.1.2-7], sorted by topic, so that a
// filter finds its matches by seeking (topic.Walker) and a replay goes on from
// a topic, holding nothing but its name.
type retained struct {
	mu     sync.RWMutex
	topics btree.Map[string, stored]
	bytes  int64
	// order numbers the changes; it tells a replay what came after its
	// subscription.
	order uint64
	// logged says that some of them may be in the log, also of an account whose
	// durability is memory now: what is cleared or replaced goes there too.
	logged bool
}

type stored struct {
	m     *Message
	order uint64
}

// retain stores, replaces or clears the retained message of m's topic
// [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT311-3.3.1-5]
// [MQTT311-3.3.1-7] [MQTT311-3.3.1-10] [MQTT311-3.3.1-11]. The record goes to
// the batch inside the lock, so that memory and log agree about the last one.
func (t *Turn) retain(ns *Namespace, m *Message) (ticket uint64, code mqtt.ReasonCode) {
	durable, sync := ns.durability()
	r := &ns.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	rec := Record{Kind: KindRetainDelete, Top: ns.top, Account: ns.account}
	if len(m.Payload) == 0 {
		rec.Topic = string(m.Topic)
		if !r.clear(t.b, rec.Topic) {
			return 0, mqtt.Success
		}
	} else {
		old := int64(0)
		if s, ok := r.topics.Get(string(m.Topic)); ok {
			old = int64(s.m.Size())
		}
		if r.bytes-old+int64(m.Size()) > t.b.limits.RetainedBytes {
			t.note(Event{Code: EventPublishRejected, Account: ns.account, Token: m.Token,
				Topic: string(m.Topic), Close: mqtt.QuotaExceeded, Reason: "the account's retained messages take too much room"})
			return 0, mqtt.QuotaExceeded
		}
		k := m.Keep()
		r.put(t.b, k)
		rec.Kind, rec.Message = KindRetain, k
	}
	r.logged = r.logged || durable
	if !durable {
		if r.logged {
			t.kick = true
			t.b.commit.append(false, false, Record{
				Kind: KindRetainDelete, Top: ns.top, Account: ns.account, Topic: string(m.Topic),
			})
		}
		return 0, mqtt.Success
	}
	t.kick = true
	return t.b.commit.append(sync, false, rec), mqtt.Success
}

// put stores a kept message. Under r.mu.
func (r *retained) put(b *Broker, m *Message) {
	r.order++
	r.bytes += int64(m.Size())
	// The key shares the immutable message's bytes.
	key := unsafe.String(unsafe.SliceData(m.Topic), len(m.Topic))
	if old, ok := r.topics.Get(key); ok {
		r.bytes -= int64(old.m.Size())
		r.topics.Delete(key) // the old key would keep the old message alive
		b.stats.Retained.Add(-1)
	}
	r.topics.Set(key, stored{m, r.order})
	b.stats.Retained.Add(1)
}

// clear removes a topic's message and tells whether there was one. Under r.mu.
func (r *retained) clear(b *Broker, name string) bool {
	old, ok := r.topics.Delete(name)
	if ok {
		r.order++
		r.bytes -= int64(old.m.Size())
		b.stats.Retained.Add(-1)
	}
	return ok
}

// scan appends to dst the messages that match, from the topic at on, until one
// of the bounds is met; after is where to go on, more whether there may be
// something. Messages stored after the order limit are passed over: their live
// copy has gone out.
func (r *retained) scan(w *topic.Walker, at string, limit uint64, room int, dst []*Message, now time.Time) (page []*Message, after string, more bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	bytes := 0
	it := r.topics.Iter()
	ok := it.Seek(at)
	for scanned := 0; ok; scanned++ {
		key := it.Key()
		if room == 0 || bytes >= retainedPageBytes || scanned == retainedScan {
			return dst, key, true
		}
		match, next, rest := w.Next(key)
		if s := it.Value(); match && s.order <= limit && !s.m.Expired(now) {
			dst = append(dst, s.m)
			bytes += s.m.Size()
			room--
		}
		switch {
		case !rest:
			return dst, "", false
		case next != "":
			ok = it.Seek(next)
		default:
			ok = it.Next()
		}
	}
	return dst, "", false
}

// expire removes messages whose expiry has passed, from the topic at on, and
// returns where to go on; "" at the end.
func (ns *Namespace) expire(t *Turn, at string) (after string) {
	r := &ns.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	var gone []string
	scanned := 0
	r.topics.Ascend(at, func(key string, s stored) bool {
		if scanned++; scanned > retainedScan {
			after = key
			return false
		}
		if s.m.Expired(t.Now) {
			gone = append(gone, key)
		}
		return true
	})
	_, sync := ns.durability()
	for _, key := range gone {
		key = string(slices.Clone([]byte(key)))
		r.clear(t.b, key)
		t.b.stats.Expired.Add(1)
		if r.logged {
			t.kick = true
			t.b.commit.append(sync, false, Record{Kind: KindRetainDelete, Top: ns.top, Account: ns.account, Topic: key})
		}
	}
	return after
}
