package broker

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// greeting encodes the CONNACK with the user properties that tell a client about
// itself [EXT-UP-5]: its token, and the subscriptions that its session has. What is
// longer than a property or the client's Maximum Packet Size takes is left out, the
// subscriptions before the token's details. Under s.mu.
func (c *connecting) greeting(t *Turn, s *Session) []byte {
	a := c.a
	if a.version == mqtt.V5 && c.ns.settings.Load().Stamps { // [EXT-UP-8]
		whole, short := c.b.describeToken(a.grant.Token)
		all := appendFitting(nil, "token", whole)
		if all != nil {
			all = appendFitting(all, "subscriptions", s.describeSubscriptions())
		}
		for _, c.user = range [...]mqtt.UserProperties{
			all,
			appendFitting(nil, "token", whole),
			appendFitting(nil, "token", short),
		} {
			if c.user == nil {
				continue
			}
			if b := c.connack(t, s.id); len(b) <= int(a.maxPacket) {
				return b
			}
		}
		c.user = nil
	}
	return c.connack(t, s.id)
}

// appendFitting appends a user property, or returns nil where its value is too long
// for one.
func appendFitting(dst mqtt.UserProperties, key string, value []byte) mqtt.UserProperties {
	if len(value) > mqtt.MaxString {
		return nil
	}
	return mqtt.AppendUser(dst, key, value)
}

// describeToken returns the token without its key as JSON, and the least of it.
func (b *Broker) describeToken(id auth.TokenID) (whole, short []byte) {
	token, ok := b.directory.Token(id)
	if !ok {
		return []byte("null"), []byte("null") // it goes this moment
	}
	type access struct {
		Type auth.AccessType `json:"type"`
	}
	short = encode(struct {
		ID      auth.TokenID   `json:"id"`
		Account auth.AccountID `json:"cid"`
		Access  access         `json:"access"`
	}{token.ID, token.Account, access{token.Access.Type}})
	return encode(token), short
}

// encode returns v as JSON, in which filters stay readable.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte("null") // what has no JSON is nothing that a client wrote
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// SubscriptionInfo is one subscription as clients and REST are told of it [EXT-UP-5]
// [EXT-REST-4].
type SubscriptionInfo struct {
	Topic             string         `json:"topic"`
	QoS               mqtt.QoS       `json:"qos"`
	NoLocal           bool           `json:"no_local"`
	RetainAsPublished bool           `json:"rap"`
	RetainHandling    byte           `json:"retain_handling"`
	SubscriptionID    uint32         `json:"subscription_id"`
	Account           auth.AccountID `json:"cid,omitempty"`
}

// compare orders by text.
func (x SubscriptionInfo) compare(y SubscriptionInfo) int {
	return cmp.Or(strings.Compare(x.Topic, y.Topic), cmp.Compare(x.Account, y.Account))
}

// described is the subscription as it is shown.
func (sub *Subscription) described() SubscriptionInfo {
	o := sub.options()
	return SubscriptionInfo{sub.filter(), o.QoS, o.NoLocal, o.RetainAsPublished, o.RetainHandling, sub.id, sub.given()}
}

// describeSubscriptions returns the session's subscriptions as a JSON array, in the
// order of their texts; where there are many, more than a property takes. Under s.mu.
func (s *Session) describeSubscriptions() []byte {
	room := mqtt.MaxString
	list := make([]SubscriptionInfo, 0, min(s.subs.len(), 64))
	for sub := range s.subs.each() {
		if room -= len(sub.filter()) + len(`{"topic":"","qos":0,"no_local":false,"rap":false,"retain_handling":0,"subscription_id":0}`); room < 0 {
			return make([]byte, mqtt.MaxString+1)
		}
		list = append(list, sub.described())
	}
	slices.SortFunc(list, SubscriptionInfo.compare)
	return encode(list)
}
