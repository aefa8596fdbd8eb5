package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"alcove/internal/broker"
	"alcove/internal/event"
)

// eventLog tells the operator's log of what the broker refuses and drops. A
// flood of one kind is one line a second, with the count of those left out, so
// that no client can fill the log.
type eventLog struct {
	log *slog.Logger

	mu    sync.Mutex
	kinds map[event.Code]*eventKind
}

type eventKind struct {
	told    time.Time
	skipped int
}

const eventEvery = time.Second

// both gives events to two observers.
type both struct{ first, second broker.Observer }

// Event implements broker.Observer.
func (b both) Event(e event.Record) {
	b.first.Event(e)
	b.second.Event(e)
}

// Event implements broker.Observer.
func (l *eventLog) Event(e event.Record) {
	level := slog.LevelDebug
	switch e.Code {
	case event.Overflowed, event.PublishRejected, event.MessageDropped, event.Takeover:
		level = slog.LevelInfo
	}
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	skipped, tell := l.admit(e.Code, time.Now())
	if !tell {
		return
	}
	l.log.Log(context.Background(), level, e.Code.Name(), "code", int(e.Code), "account", e.Account,
		"token", e.Token, "client", cut(e.ClientID), "topic", cut(e.Topic), "reason", e.Reason, "more", skipped)
}

// textBytes is how much of a client's text goes into one line.
const textBytes = 256

// cut shortens a client's text for the log.
func cut(text string) string {
	if len(text) <= textBytes {
		return text
	}
	return text[:textBytes] + "…"
}

// admit tells whether an event of this kind is written, and how many were not
// since the last one.
func (l *eventLog) admit(code event.Code, now time.Time) (skipped int, tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[code]
	if k == nil {
		if l.kinds == nil {
			l.kinds = make(map[event.Code]*eventKind)
		}
		k = &eventKind{}
		l.kinds[code] = k
	}
	if now.Sub(k.told) < eventEvery {
		k.skipped++
		return 0, false
	}
	skipped, k.skipped, k.told = k.skipped, 0, now
	return skipped, true
}
