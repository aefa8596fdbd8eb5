package broker

import (
	"strings"
	"sync"
)

// filterQuota counts what an account's subscriptions take, beside how many they are: a
// filter of selectors takes forty times its text in the tree, an expression sixty times
// its source. A leaf lock.
type filterQuota struct {
	mu          sync.Mutex
	bytes       int64              // of filters
	expressions map[*condition]int // how many subscriptions have each
	programs    int64              // bytes of them, each counted once
}

// cost is what the subscription's filter takes.
func (sub *Subscription) cost() int64 {
	n := filterOverhead + int64(len(sub.filter()))
	if words := strings.Count(sub.inner(), ","); words > 0 {
		n += filterWordMemory * int64(words+1)
	}
	return n
}

func (c *condition) cost() int64 {
	return expressionOverhead + expressionFactor*int64(len(c.program.Source()))
}

// refuse tells why the account's bounds do not let the subscription in; "" where they
// do.
func (q *filterQuota) refuse(sub *Subscription) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.bytes+sub.cost() > filterBytes {
		return "the account's filters take too much memory"
	}
	if !sub.conditional() {
		return ""
	}
	programs := q.programs
	for _, c := range sub.more.conditions {
		if c != nil && q.expressions[c] == 0 {
			programs += c.cost()
		}
	}
	if programs > expressionBytes {
		return "the account's expressions take too much memory"
	}
	return ""
}

// add counts a subscription that is in.
func (q *filterQuota) add(sub *Subscription) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes += sub.cost()
	if !sub.conditional() {
		return
	}
	if q.expressions == nil {
		q.expressions = make(map[*condition]int)
	}
	for _, c := range sub.more.conditions {
		if c == nil {
			continue
		}
		if q.expressions[c]++; q.expressions[c] == 1 {
			q.programs += c.cost()
		}
	}
}

// remove takes back one that was counted.
func (q *filterQuota) remove(sub *Subscription) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= sub.cost()
	if !sub.conditional() {
		return
	}
	for _, c := range sub.more.conditions {
		if c == nil {
			continue
		}
		if q.expressions[c]--; q.expressions[c] == 0 {
			delete(q.expressions, c)
			q.programs -= c.cost()
		}
	}
}
