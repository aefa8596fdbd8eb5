package broker

import (
	"sync/atomic"
	"time"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// limitReached is the refusal that names a limit of the account [EXT-LIM-1].
func limitReached(name string) *mqtt.Error {
	return &mqtt.Error{Code: mqtt.QuotaExceeded, Reason: reasonLimit(name)}
}

func reasonLimit(name string) string { return "limit " + name + " is reached" }

// reasonRetained answers a PUBLISH that was delivered but not stored as retained.
var reasonRetained = reasonLimit("mqtt_retained_storage")

// What an account may hold: by its limits where they say something, else by the
// installation's.

// queueBound is for one queue of a session or a share group, in bytes [EXT-SES-3].
func (ns *Namespace) queueBound() int64 {
	if n := ns.limits.Load().SessionStorage; n >= 0 {
		return n
	}
	return ns.b.limits.QueueBytes
}

// retainedBound is for all retained messages, in bytes.
func (ns *Namespace) retainedBound() int64 {
	if n := ns.limits.Load().RetainedStorage; n >= 0 {
		return n
	}
	return ns.b.limits.RetainedBytes
}

// noSession tells why there may be no session more; nil where there may. Those that are
// offline count. Under ns.mu.
func (ns *Namespace) noSession() *mqtt.Error {
	n := int64(len(ns.sessions))
	if limit := ns.limits.Load().MQTTSessions; limit >= 0 && n >= limit || n >= int64(ns.b.limits.SessionsPerAccount) {
		return limitReached("mqtt_sessions")
	}
	return nil
}

// claimSubscription counts a new subscription of the account, or refuses it: before it is
// installed, so that no two loops take the same last place.
func (ns *Namespace) claimSubscription() bool {
	limit, have := ns.limits.Load().Subscriptions, &ns.usage.subscriptions
	if n := have.Add(1); limit >= 0 && n > limit {
		have.Add(-1)
		return false
	}
	return true
}

// rate is a token bucket that refills continuously, as the time at which it would be
// full again: one word, so that any loop may take from it. The zero value is full.
type rate struct{ full atomic.Int64 } // UNIX nanoseconds

// take takes one, of perMinute a minute and no more than a second's worth at once. It
// returns 0, or how long it is until there is one to take [EXT-LIM-1].
func (r *rate) take(perMinute int64, now time.Time) time.Duration {
	if perMinute <= 0 {
		return 0
	}
	each := int64(time.Minute) / perMinute
	burst := max(int64(time.Second)-each, 0) // beside the one that is taken
	at := now.UnixNano()
	for {
		full := r.full.Load()
		if wait := full - at - burst; wait > 0 {
			return time.Duration(wait)
		}
		if r.full.CompareAndSwap(full, max(full, at)+each) {
			return 0
		}
	}
}

// ease lets what was taken at a lower rate not hold up who has a higher one now.
func (r *rate) ease() { r.full.Store(0) }

// Allowance takes the account's allowance for one PUBLISH [EXT-LIM-1]: 0 when it may be
// read now, else nothing is taken, and it is how long until one may. The server does
// not read the connection meanwhile. It costs nothing where mqtt_messages is not set;
// where that is 0 each PUBLISH is read and refused.
func (l Link) Allowance(t *Turn) time.Duration {
	if l.a == nil {
		return 0
	}
	return l.a.s.ns.allowance(t)
}

func (ns *Namespace) allowance(t *Turn) time.Duration {
	limit := ns.limits.Load().MQTTMessages
	if limit < 0 {
		return 0
	}
	return ns.rate.take(limit, t.Now)
}

// overRate takes the account's allowance for a message that cannot wait, or tells that
// there is none.
func (ns *Namespace) overRate(t *Turn) bool { return ns.noMessages() || ns.allowance(t) > 0 }

// noMessages tells that the account may not publish at all.
func (ns *Namespace) noMessages() bool { return ns.limits.Load().MQTTMessages == 0 }

// Overrun tells that a PUBLISH over the account's rate was thrown away, because the
// client has hung up and cannot be made to wait.
func (l Link) Overrun(t *Turn) {
	s, a := l.parts()
	if s == nil || s.link.Load() != a {
		return
	}
	t.b.stats.Rejected.Add(1)
	a.figures.rejected.Add(1)
	t.tally(s.ns).rejected++
	t.noteRefusal(s.event(event.PublishRejected, a.grant.Token, a), nil, mqtt.QuotaExceeded, reasonMessages)
}

// reasonMessages answers a PUBLISH where mqtt_messages allows none.
var reasonMessages = reasonLimit("mqtt_messages")

// limit puts the account's limits in force.
func (ns *Namespace) limit(now *auth.EffectiveLimits) {
	if old := ns.limits.Swap(now); old != nil && old.MQTTMessages != now.MQTTMessages {
		ns.rate.ease()
	}
}
