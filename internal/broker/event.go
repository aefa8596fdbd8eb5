package broker

import (
	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// EventCode is the kind of a tenant's log record [EXT-LOG-1].
type EventCode int

// The events that the broker tells of.
const (
	EventAccepted        EventCode = 500
	EventClosed          EventCode = 503
	EventOverflowed      EventCode = 504
	EventSubscribed      EventCode = 520
	EventUnsubscribed    EventCode = 521
	EventPublishRejected EventCode = 530
	EventMessageDropped  EventCode = 531
	EventTakeover        EventCode = 540
)

// Event is something that an account's owner may want to know.
type Event struct {
	Code     EventCode
	Account  auth.AccountID
	Token    auth.TokenID
	ClientID string
	Topic    string
	Close    mqtt.ReasonCode
	Reason   string
}

// Observer hears of events. It must be quick and must not call back: it is
// called on loops, never under a lock of the broker.
type Observer interface {
	Event(Event)
}

// note keeps an event for the end of the turn, when no lock is held; beyond
// eventsPerTurn they are only counted.
func (t *Turn) note(e Event) {
	if t.b.observer == nil {
		return
	}
	if len(t.events) >= eventsPerTurn {
		t.b.stats.EventsLost.Add(1)
		return
	}
	t.events = append(t.events, e)
}

// eventsPerTurn bounds the events of one turn.
const eventsPerTurn = 1024

func (t *Turn) tell() {
	for i, e := range t.events {
		t.b.observer.Event(e)
		t.events[i] = Event{}
	}
	t.events = t.events[:0]
}
