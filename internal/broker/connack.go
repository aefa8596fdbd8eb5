package broker

import (
	"alcove/internal/mqtt"
)

// connack encodes the CONNACK of the session id, which changes nothing of its
// length. It says what is in force: all that is not the standard's default
// [MQTT-3.2.2-9] [MQTT-3.2.2-16] [MQTT-3.2.2-22].
func (c *connecting) connack(t *Turn, id OwnerID) []byte {
	b, a := c.b, c.a
	p := mqtt.Connack{SessionPresent: c.present} // [MQTT-3.2.2-2] [MQTT-3.2.2-3] [MQTT311-3.2.2-1] [MQTT311-3.2.2-2] [MQTT311-3.2.2-3]
	if a.version == mqtt.V5 {
		q := &p.Props
		q.SessionExpiry, q.HasSessionExpiry = c.expiry, c.expiry != c.askedExpiry
		q.ReceiveMaximum = b.limits.ReceiveMaximum
		q.MaximumPacketSize = b.limits.MaximumPacketSize
		q.TopicAliasMaximum = b.limits.TopicAliasMaximum
		q.MaximumQoS, q.HasMaximumQoS = b.features.maximumQoS(), b.features.maximumQoS() < mqtt.QoS2
		q.RetainUnavailable = b.features.NoRetain
		q.WildcardsUnavailable = b.features.NoWildcards
		q.SharedUnavailable = b.features.NoShared
		q.SubscriptionIDsUnavailable = b.features.NoSubscriptionIDs
		q.ServerKeepAlive, q.HasServerKeepAlive = c.keepAlive, b.features.ServerKeepAlive != 0 // [MQTT-3.1.2-21]
		if c.assigned {                                                                        // [EXT-UP-6]
			q.AssignedClientID = []byte(c.clientID)
		}
		if c.respond { // [MQTT-3.1.2-28]
			q.ResponseInfo = []byte(responseTopic(b.publicID(id)))
		}
		q.User = c.user
		if c.authMethod != "" { // [MQTT-4.12.0-5]
			q.AuthMethod, q.AuthData = []byte(c.authMethod), c.authData
		}
	}
	t.scratch.packet = p.Append(t.scratch.packet[:0], a.version)
	return t.scratch.packet
}

// responseTopic is where a client may have its answers sent: a first level that
// no other session is told.
func responseTopic(session int64) string {
	const digits = "0123456789abcdef"
	id := []byte("reply/................")
	for i, v := len(id)-1, uint64(session); i >= len("reply/"); i, v = i-1, v>>4 {
		id[i] = digits[v&15]
	}
	return string(id)
}
