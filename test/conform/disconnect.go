package conform

import (
	"alcove/test/conform/wire"
)

var disconnectCases = []Case{
	{V5: "MQTT-3.14.4-1 MQTT-3.14.4-2 MQTT-3.14.2-1 MQTT-3.14.2-2 MQTT-4.13.2-1", V311: "MQTT311-4.8.0-1", Title: "after an error the server's DISCONNECT is its last packet", Run: func(k *Kit) {
		// wire.Read refuses Session Expiry Interval and unlisted reasons in a server's DISCONNECT.
		c := k.Connect(withProps())
		c.Grant(k.Topic("a"), 0)
		c.Send(wire.Subscribe(k.V, 2, nil), wire.Publish{Topic: k.Topic("a"), Payload: "late"}.Bytes(k.V), wire.Ping())
		last := c.Closed()
		if last != nil && last.Type == wire.DISCONNECT && last.Reason != 0x81 && last.Reason != 0x82 {
			k.Errorf("%v", last)
		}
	}},
	{V5: "MQTT-3.14.4-2", V311: "MQTT311-3.14.4-1", V31: "MQTT31", Title: "the server closes after the client's DISCONNECT", Run: func(k *Kit) {
		c := k.Connect()
		c.Send(wire.Disconnect(k.V, 0, nil))
		if last := c.Closed(); last != nil {
			k.Errorf("answered by %v", last)
		}
	}},
	{V5: "MQTT-3.14.4-1", V311: "MQTT311-3.14.4-2", Title: "packets behind a DISCONNECT are not served", Run: func(k *Kit) {
		sub := k.Connect()
		sub.Grant(k.Topic("a"), 0)
		c := k.Connect()
		c.Send(wire.Disconnect(k.V, 0, nil), wire.Publish{Topic: k.Topic("a"), Payload: "late"}.Bytes(k.V))
		c.Closed()
		sub.Silent()
	}},
	{V5: "MQTT-3.14.2-1", Title: "DISCONNECT with every property of a client is understood", Run: func(k *Kit) {
		c := k.Connect()
		c.Send(wire.Disconnect(k.V, 0, wire.Props{wire.Num(wire.SessionExpiry, 0), wire.Text(wire.ReasonString, "done"), wire.User("a", "b"), wire.User("a", "c")}))
		if last := c.Closed(); last != nil {
			k.Errorf("answered by %v", last)
		}
	}},
	{V5: "MQTT-3.12.4-1", V311: "MQTT311-3.12.4-1", Title: "each PINGREQ is answered", Run: func(k *Kit) {
		c := k.Connect()
		c.Send(wire.Ping(), wire.Ping(), wire.Ping())
		for range 3 {
			if p := c.Next(); p == nil || p.Type != wire.PINGRESP {
				k.Errorf("answered by %v", p)
			}
		}
	}},
}
