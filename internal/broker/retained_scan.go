package broker

import (
	"strings"
	"time"

	"alcove/internal/topic"
)

// selection goes through those of a namespace's retained messages that match a
// filter and are newer than a time, a page at a time, holding no more than where it
// stands: a topic, or a timestamp and a topic. What is stored or removed meanwhile
// does not disturb it.
//
// It walks the topics or the timestamps, whichever promises to be shorter, so that
// it costs what it returns, not what is stored.
type selection struct {
	filter  string
	dialect topic.Dialect
	walker  *topic.Walker
	since   int64  // only newer ones, UNIX microseconds; 0 for all [EXT-RET-3]
	after   uint64 // only those that came after this one,
	limit   uint64 // and up to this one: the order of arrival

	byStamp bool
	stamp   int64  // where it stands, of byStamp
	at      string // topic where it stands
}

// newSelection prepares to go through what matches filter, plain and legal, as a
// subscription's.
func (b *Broker) newSelection(filter string, since int64) selection {
	d := topic.Dialect{HideDollar: true, HideFirst: b.features.ReservedLevel, Selectors: true}
	return selection{filter: filter, dialect: d, walker: topic.NewWalker(filter, d), since: since, limit: ^uint64(0)}
}

// allowance is what one step may still do.
type allowance struct {
	messages int // to find
	bytes    int // of theirs
	rows     int // to look at
}

// left tells whether anything may still be done.
func (a *allowance) left() bool { return a.messages > 0 && a.bytes > 0 && a.rows > 0 }

// scan appends to dst what the selection finds next within the allowance, whose rows
// it uses up, and tells whether there may be more. Messages outside the bounds of
// arrival are passed over, expired ones too.
func (x *selection) scan(r *retained, room *allowance, dst []blob, now time.Time) (page []blob, more bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	p := pager{selection: x, room: room, messages: room.messages, bytes: room.bytes, page: dst, now: now}
	if x.byStamp {
		more = p.byStamps(r)
	} else {
		more = p.byTopics(r)
	}
	return p.page, more
}

// stopAt puts the selection back to a message that it has found: that one is found
// again.
func (x *selection) stopAt(b blob) { x.stamp, x.at = b.stamp(), b.name() }

// begin chooses the way through one namespace's messages: those of them that came
// after the one numbered after, up to limit.
func (x *selection) begin(r *retained, after, limit uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	x.choose(r, after, limit)
}

// choose is begin, under r.mu.
func (x *selection) choose(r *retained, after, limit uint64) {
	x.after, x.limit, x.byStamp = after, limit, false
	x.stamp, x.at = x.since+1, x.walker.From()
	if x.since <= 0 {
		return
	}
	newer := r.stamps.Len() - r.stamps.Rank(atStamp(x.stamp, ""))
	if newer < x.bound(r) {
		x.byStamp, x.at = true, ""
	}
}

// bound tells how many topics, at most or nearly so, a walk by topic looks at: those
// in the ranges which the filter's levels before the first wildcard allow, each word
// of a selector by itself as long as they are few; and without a wildcard, no more
// than there are combinations. Under r.mu.
func (x *selection) bound(r *retained) int {
	prefixes, rest, more := []string{""}, x.filter, true
	combinations := 1
	for whole := true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if level == "+" || level == "#" {
			combinations = r.topics.Len()
			break
		}
		words := strings.Split(level, ",")
		if len(words) > 1 {
			words = append(words, level) // the topic that is spelled like it
		}
		combinations = min(combinations*len(words), r.topics.Len()+1)
		if whole = whole && len(prefixes)*len(words) <= retainedRanges; whole {
			prefixes = extend(prefixes, words, more)
		}
	}
	count := 0
	for _, p := range prefixes {
		count += 1 + r.topics.Rank(behind(p)) - r.topics.Rank(atTopic(p))
	}
	return min(count, combinations*retainedSeek)
}

// behind looks for the first topic above all that begin with prefix.
func behind(prefix string) func(blob) int {
	return func(b blob) int {
		name := b.topic()
		if strings.HasPrefix(name, prefix) || name < prefix {
			return -1
		}
		return 1
	}
}

// extend puts each of the words behind each of the prefixes.
func extend(prefixes, words []string, slash bool) []string {
	longer := make([]string, 0, len(prefixes)*len(words))
	for _, p := range prefixes {
		for _, w := range words {
			if slash {
				w += "/"
			}
			longer = append(longer, p+w)
		}
	}
	return longer
}

// pager is one step of a selection.
type pager struct {
	*selection
	room     *allowance
	messages int
	bytes    int
	page     []blob
	now      time.Time
}

// full tells that the step has done what it may.
func (p *pager) full() bool { return p.messages <= 0 || p.bytes <= 0 || p.room.rows <= 0 }

// take puts b, which matches, on the page, unless it is not to be seen.
func (p *pager) take(b blob) {
	if b.order() > p.limit || b.order() <= p.after || b.expired(p.now) {
		return
	}
	p.page = append(p.page, b)
	p.messages--
	p.bytes -= int(b.cost())
}

// byTopics goes on by topic: it seeks where the walker says. Under r.mu.
func (p *pager) byTopics(r *retained) (more bool) {
	at := p.at
	for {
		next, rest := "", false
		for b := range r.topics.From(atTopic(at)) {
			if p.full() {
				p.at = b.name()
				return true
			}
			p.room.rows--
			var match bool
			match, next, rest = p.walker.Next(b.topic())
			if match && b.stamp() > p.since {
				p.take(b)
			}
			if !rest || next != "" {
				break
			}
		}
		if !rest || next == "" {
			return false
		}
		at = next
		p.room.rows -= retainedSeek
	}
}

// byStamps goes on by timestamp. Under r.mu.
func (p *pager) byStamps(r *retained) (more bool) {
	for x := range r.stamps.From(atStamp(p.stamp, p.at)) {
		if p.full() {
			p.stamp, p.at = x.stamp, x.blob.name()
			return true
		}
		p.room.rows--
		if topic.MatchIn(p.dialect, p.filter, x.blob.topic()) {
			p.take(x.blob)
		}
	}
	return false
}
