package broker

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"alcove/internal/event"
	"alcove/internal/mqtt"
	"alcove/internal/sorted"
	"alcove/internal/topic"
)

// retained is a namespace's retained messages, which outlive the sessions that
// published them [MQTT311-3.1.2-7]: one blob each, and two indexes. By topic, so
// that a filter finds its matches by seeking (topic.Walker); by timestamp, so that
// what is newer than a time is found without looking at what is older [EXT-RET-3].
// Whoever goes through them holds a name and a timestamp, nothing else.
//
// The order of arrival, not the timestamp, tells what came after something began:
// a publisher may give timestamps.
type retained struct {
	mu     sync.RWMutex
	topics sorted.Set[blob]
	stamps sorted.Set[stamped]
	bytes  int64 // what they cost, but for the broker's own
	own    int   // how many are the broker's own
	// expiring is how many have an expiry.
	expiring int
	// order numbers the changes.
	order uint64
	// newest is the latest timestamp of the broker's own: within an account they
	// grow from one change to the next, so that nothing is missed by who asks for
	// what is newer than the latest one seen [EXT-RET-3].
	newest int64
	// logged says that some of them may be in the log, also of an account whose
	// durability is memory now: what is cleared or replaced goes there too.
	logged bool
	// deletions is how many bulk deletions are under way.
	deletions int
}

// stamped is a blob's place in the index by timestamp.
type stamped struct {
	stamp int64
	blob  blob
}

// atTopic looks for a topic's message.
func atTopic(name string) func(blob) int {
	return func(b blob) int { return strings.Compare(b.topic(), name) }
}

// atStamp looks for the first message that is not before a timestamp and, of those
// with this one, a topic.
func atStamp(stamp int64, name string) func(stamped) int {
	return func(x stamped) int {
		if x.stamp != stamp {
			return cmp.Compare(x.stamp, stamp)
		}
		return strings.Compare(x.blob.topic(), name)
	}
}

// text gives bytes as a string that shares them.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// retain stores, replaces or clears the retained message of m's topic
// [MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT311-3.3.1-5]
// [MQTT311-3.3.1-7] [MQTT311-3.3.1-10] [MQTT311-3.3.1-11]. m has its timestamp. The
// record goes to the batch inside the lock, so that memory and log agree about the
// last one.
func (t *Turn) retain(ns *Namespace, m *Message) (ticket uint64, code mqtt.ReasonCode) {
	durable, sync := ns.durability()
	durable = durable && !m.own
	r := &ns.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	if !m.Given && m.Stamp <= r.newest {
		// Another loop's came first: whoever has seen that one asks for newer ones.
		m.restamp(ns.tick(t.Now.UnixMicro()))
	}
	old, found := r.topics.Get(atTopic(text(m.Topic)))
	if found && !old.expired(t.Now) && t.outdated(ns, m, old.stamp()) {
		return 0, mqtt.Success
	}
	rec := Record{Kind: KindRetainDelete, Top: ns.top, Account: ns.account}
	if len(m.Payload) == 0 {
		if !found {
			return 0, mqtt.Success
		}
		rec.Topic = string(m.Topic)
		r.remove(t.b, old)
	} else {
		cost := retainedCost(m)
		if found {
			cost -= old.cost()
		}
		if !m.own && cost > 0 && r.bytes+cost > ns.retainedBound() {
			t.noteRefusal(ns.event(event.PublishRejected, m.Token), m.Topic, mqtt.QuotaExceeded, reasonRetained)
			return 0, mqtt.QuotaExceeded
		}
		r.order++
		if !m.Given {
			r.newest = m.Stamp
		}
		b := newBlob(m, r.order)
		r.put(t.b, b, true)
		if durable || len(m.Payload) >= retainedShared {
			rec.Kind, rec.Message = KindRetain, keepRetained(ns, m, b)
		}
	}
	r.logged = r.logged || durable
	if !durable {
		if r.logged && !m.own {
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

// keepRetained makes the message of a blob, and lets queues refer to the same memory.
func keepRetained(ns *Namespace, m *Message, b blob) *Message {
	k := b.message(ns)
	if m.kept == nil {
		m.kept = k
	}
	return k
}

// outdated tells whether m, whose publisher gave its timestamp, is older than what is
// stored: it changes nothing then, though it is delivered and acknowledged. Any other
// message goes on top: it gets a timestamp above the stored one [EXT-RET-1]. Without
// the account's timestamps the order of arrival decides [EXT-UP-8].
func (t *Turn) outdated(ns *Namespace, m *Message, stored int64) bool {
	switch {
	case m.Stamp > stored || m.Given && m.Stamp == stored:
	case !m.Given:
		m.restamp(stored + 1)
		ns.outrun(m.Stamp)
	case ns.settings.Load().Stamps:
		t.noteDrop(ns.event(event.MessageDropped, m.Token), string(m.Topic), "not retained: the timestamp is older than that of the retained message")
		return true
	}
	return false
}

// put stores a message. Without byStamp its place among the timestamps is left out:
// that index is built in one go. Under r.mu.
func (r *retained) put(b *Broker, x blob, byStamp bool) {
	old, replaced := r.topics.Put(x, atTopic(x.topic()))
	if replaced {
		r.forget(b, old)
	} else {
		b.stats.Retained.Add(1)
	}
	if topic.Under(x.topic(), b.features.ReservedLevel) {
		r.own++
	} else {
		r.bytes += x.cost()
	}
	if x.expires() != 0 {
		r.expiring++
	}
	if byStamp {
		r.stamps.Put(stamped{x.stamp(), x}, atStamp(x.stamp(), x.topic()))
	}
}

// remove removes a stored message. Under r.mu.
func (r *retained) remove(b *Broker, x blob) {
	if _, ok := r.topics.Delete(atTopic(x.topic())); !ok {
		return
	}
	r.order++
	r.forget(b, x)
	b.stats.Retained.Add(-1)
}

// forget takes a message that has left the topics out of all else.
func (r *retained) forget(b *Broker, x blob) {
	if topic.Under(x.topic(), b.features.ReservedLevel) {
		r.own--
	} else {
		r.bytes -= x.cost()
	}
	if x.expires() != 0 {
		r.expiring--
	}
	r.stamps.Delete(atStamp(x.stamp(), x.topic()))
}

// index builds the index by timestamp of messages that were put in without it, and
// returns the latest timestamp. Under r.mu.
func (r *retained) index() (latest int64) {
	all := make([]stamped, 0, r.topics.Len())
	for b := range r.topics.All() {
		all = append(all, stamped{b.stamp(), b})
	}
	slices.SortFunc(all, func(a, b stamped) int { return atStamp(b.stamp, b.blob.topic())(a) })
	r.stamps.Clear()
	for _, x := range all {
		r.stamps.Put(x, atStamp(x.stamp, x.blob.topic()))
	}
	if len(all) > 0 {
		latest = all[len(all)-1].stamp
	}
	return latest
}

// clear removes everything, of an account that is gone, and returns how many that were.
func (r *retained) clear(b *Broker) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = r.topics.Len()
	b.stats.Retained.Add(-int64(n))
	r.topics.Clear()
	r.stamps.Clear()
	r.bytes, r.own, r.expiring = 0, 0, 0
	r.order++
	return n
}

// latest is the order of the last change.
func (r *retained) latest() uint64 {
	order, _ := r.extent()
	return order
}

// extent is the order of the last change, and whether anything is there.
func (r *retained) extent() (order uint64, any bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.order, r.topics.Len() > 0
}

// drop removes those of the given messages that are still stored, and records it. It
// returns how many, and the ticket. Under r.mu.
func (t *Turn) drop(ns *Namespace, gone []blob) (count int, ticket uint64) {
	r := &ns.retained
	_, sync := ns.durability()
	records := make([]Record, 0, len(gone))
	for _, x := range gone {
		if now, ok := r.topics.Get(atTopic(x.topic())); !ok || now != x {
			continue
		}
		r.remove(t.b, x)
		count++
		if r.logged {
			records = append(records, Record{Kind: KindRetainDelete, Top: ns.top, Account: ns.account, Topic: x.name()})
		}
	}
	if len(records) > 0 {
		t.kick = true
		ticket = t.b.commit.append(sync, false, records...)
	}
	return count, ticket
}

// expire removes messages whose expiry has passed, from the topic at on, and
// returns where to go on; "" at the end.
func (ns *Namespace) expire(t *Turn, at string) (after string) {
	r := &ns.retained
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expiring == 0 {
		return ""
	}
	var gone []blob
	scanned := 0
	for b := range r.topics.From(atTopic(at)) {
		if scanned++; scanned > retainedScan || len(gone) == bulkPage {
			after = b.name()
			break
		}
		if b.expired(t.Now) {
			gone = append(gone, b)
		}
	}
	count, _ := t.drop(ns, gone)
	t.b.stats.Expired.Add(uint64(count))
	return after
}
