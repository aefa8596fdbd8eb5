package broker

import (
	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// Announcement is a message of the broker's own, under the reserved level
// [EXT-LOG-2] [EXT-LOG-3].
type Announcement struct {
	Topic   string // without the reserved level: "log/platform/…"
	Payload []byte
	// Retain keeps it as the topic's retained message, or clears that where the
	// payload is empty: in memory only, for who announces it tells it again after a
	// restart. It takes nothing of the account's mqtt_retained_storage.
	Retain bool
}

// Announce publishes messages of the broker's own in an account, in order, at QoS 1
// and for nobody's token. It must not be called on a loop or
// from an Observer.
func (b *Broker) Announce(account auth.AccountID, list []Announcement) {
	ns, ok := b.namespace(account)
	if !ok {
		return
	}
	b.do(func(t *Turn) {
		for i := range list {
			t.announce(ns, &list[i])
		}
	})
}

func (t *Turn) announce(ns *Namespace, a *Announcement) {
	m := &t.scratch.message
	*m = Message{
		Topic: []byte(t.b.features.ReservedLevel + "/" + a.Topic), Payload: a.Payload,
		QoS: mqtt.QoS1, Retain: a.Retain, own: true,
		Account: ns.account, Top: ns.top,
	}
	t.publish(ns, m)
}

// Active tells whether the account has been active since the broker's start: whether
// there is anything of it in the broker.
func (b *Broker) Active(account auth.AccountID) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.namespaces[account] != nil
}
