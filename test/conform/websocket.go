package conform

import (
	"slices"
	"strings"

	"alcove/test/conform/wire"
)

// overWS opens an MQTT connection over WebSocket.
func overWS(k *Kit) (*Client, *frames) {
	c, f := k.WebSocket()
	ack := c.Open(k.Packet())
	if ack == nil || ack.Type != wire.CONNACK || ack.Reason != 0 {
		k.Fatalf("CONNECT answered by %v", ack)
	}
	c.Connack = ack
	return c, f
}

// badFrame is a frame after which the server must close.
func badFrame(ids5, ids311, title string, codes []int, frame func(k *Kit) []byte) Case {
	return Case{V5: ids5, V311: ids311, Title: title, Needs: needsWS, Run: func(k *Kit) {
		c, f := overWS(k)
		f.Raw(frame(k))
		c.Closed()
		if code := f.code(); code != 0 && code != 1000 && !slices.Contains(codes, code) || code == 0 && k.Strict {
			k.Errorf("close code %d, want one of %v", code, codes)
		}
	}}
}

var websocketCases = []Case{
	{V5: "MQTT-6.0.0-4 MQTT-6.0.0-1 MQTT-4.2.0-1", V311: "MQTT311-6.0.0-4 MQTT311-6.0.0-1", V31: "MQTT31", Title: "MQTT runs over WebSocket with subprotocol mqtt", Needs: needsWS, Run: func(k *Kit) {
		_, chosen, err := k.upgrade(k.WS, subprotocol("mqtt"))
		if err != nil || chosen != "mqtt" {
			k.Fatalf("subprotocol %q, %v", chosen, err)
		}
		c, _ := overWS(k)
		tcp := k.Connect()
		c.Grant(k.Topic("a"), 2)
		for qos := range byte(3) {
			tcp.Say(k.Topic("a"), "in", qos)
			c.Want("in")
			c.Say(k.Topic("a"), "out", qos)
			c.Want("out")
		}
		c.Bye()
	}},
	{V5: "MQTT-6.0.0-3", V311: "MQTT311-6.0.0-3", Title: "without subprotocol mqtt the server refuses or leaves the header out", Needs: needsWS, Run: func(k *Kit) {
		for _, h := range []string{"", "chat"} {
			header := subprotocol()
			if h != "" {
				header = subprotocol(h)
			}
			if _, chosen, err := k.upgrade(k.WS, header); err == nil && chosen == "mqtt" {
				k.Errorf("asked for %q, given mqtt", h)
			}
		}
	}},
	{V5: "EXT-WS-1", Title: "any path, each known subprotocol and none are served", Needs: needsDialect, Run: func(k *Kit) {
		scheme, rest, _ := strings.Cut(k.WS, "://")
		host, _, _ := strings.Cut(rest, "/")
		for _, path := range []string{"/", "/mqtt", "/any/path?x=y"} {
			for _, want := range []string{"mqtt", "mqttv3.1", "mqttv3.1.1", ""} {
				h := subprotocol("other, " + want)
				if want == "" {
					h = subprotocol()
				}
				f, chosen, err := k.upgrade(scheme+"://"+host+path, h)
				if err != nil || chosen != want {
					k.Errorf("%s asked for %q: given %q, %v", path, want, chosen, err)
					continue
				}
				c := k.client(f)
				if ack := c.Open(k.Packet()); ack == nil || ack.Reason != 0 {
					k.Errorf("%s %q: CONNECT answered by %v", path, want, ack)
				}
			}
		}
	}},
	{V5: "MQTT-6.0.0-2 EXT-WS-1", V311: "MQTT311-6.0.0-2", Title: "packets need not align with frames", Needs: needsWS, Run: func(k *Kit) {
		c, f := k.WebSocket()
		all := wire.Cat(k.Packet().Bytes(), wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: k.Topic("a"), Options: 1}))
		for i := range all { // a byte a frame
			c.Send(all[i : i+1])
		}
		c.Await(wire.CONNACK)
		c.Await(wire.SUBACK)
		one := wire.Publish{Topic: k.Topic("a"), Payload: "one", QoS: 1, ID: 2}.Bytes(k.V)
		two := wire.Publish{Topic: k.Topic("a"), Payload: "two", QoS: 1, ID: 3}.Bytes(k.V)
		c.Send(one, two, wire.Ping(), one[:3]) // several in a frame, and a part of the next
		f.Raw(frame(true, opBinary, nil, true), frame(true, opBinary, one[3:], true))
		for _, want := range []string{"one", "two", "one"} {
			c.Want(want)
		}
		c.Await(wire.PINGRESP)
	}},
	{V5: "MQTT-6.0.0-2", V311: "MQTT311-6.0.0-2", Title: "fragmented messages with pings between them", Needs: needsWS, Run: func(k *Kit) {
		c, f := overWS(k)
		c.Grant(k.Topic("a"), 1)
		p := wire.Publish{Topic: k.Topic("a"), Payload: "fragments", QoS: 1, ID: 50}.Bytes(k.V)
		f.Raw(frame(false, opBinary, p[:4], true), frame(true, opPing, []byte("between"), true),
			frame(false, opContinue, p[4:9], true), frame(false, opContinue, nil, true), frame(true, opContinue, p[9:], true))
		c.Want("fragments")
		k.Until("pong", func() bool { return f.ponged("between") })
	}},
	{V5: "MQTT-6.0.0-2", V311: "MQTT311-6.0.0-2", Title: "large packets pass both ways", Needs: needsWS, Run: func(k *Kit) {
		c, _ := overWS(k)
		c.Grant(k.Topic("a"), 1)
		for _, n := range []int{100, 126, 60000, 70000, 400000, 1500000} {
			payload := strings.Repeat("0123456789", n/10)
			id := c.ID()
			c.Send(wire.Publish{Topic: k.Topic("a"), Payload: payload, QoS: 1, ID: id}.Bytes(k.V))
			if p := c.Next(); p == nil {
				k.Fatalf("no answer to %d bytes, %s", n, c.state())
			} else {
				c.pending = append([]*wire.Packet{p}, c.pending...)
			}
			c.same(id, c.Await(wire.PUBACK))
			c.Want(payload)
		}
	}},
	{V5: "MQTT-6.0.0-1", V311: "MQTT311-6.0.0-1", Title: "a text frame closes", Needs: needsWS, Run: func(k *Kit) {
		c, _ := k.WebSocket()
		c.conn.(*frames).Raw(frame(true, opText, k.Packet().Bytes(), true))
		if last := c.Closed(); last != nil && last.Reason == 0 {
			k.Errorf("answered by %v", last)
		}
	}},
	badFrame("MQTT-6.0.0-1", "MQTT311-6.0.0-1", "a text frame after CONNECT closes", []int{1002, 1003}, func(k *Kit) []byte {
		return frame(true, opText, wire.Ping(), true)
	}),
	badFrame("EXT-WS-1", "", "a frame without mask closes", []int{1002}, func(k *Kit) []byte {
		return frame(true, opBinary, wire.Ping(), false)
	}),
	badFrame("EXT-WS-1", "", "reserved bits close", []int{1002}, func(k *Kit) []byte {
		b := frame(true, opBinary, wire.Ping(), true)
		b[0] |= 0x40
		return b
	}),
	badFrame("EXT-WS-1", "", "a continuation of nothing closes", []int{1002}, func(k *Kit) []byte {
		return frame(true, opContinue, wire.Ping(), true)
	}),
	badFrame("EXT-WS-1", "", "an unknown opcode closes", []int{1002}, func(k *Kit) []byte {
		return frame(true, 5, wire.Ping(), true)
	}),
	badFrame("EXT-WS-1", "", "a fragmented ping closes", []int{1002}, func(k *Kit) []byte {
		return frame(false, opPing, nil, true)
	}),
	badFrame("EXT-WS-1", "", "a ping of more than 125 bytes closes", []int{1002}, func(k *Kit) []byte {
		return frame(true, opPing, make([]byte, 126), true)
	}),
	{V5: "EXT-WS-1", Title: "a close frame is answered by one", Needs: needsWS, Run: func(k *Kit) {
		c, f := overWS(k)
		f.Raw(frame(true, opClose, []byte{0x03, 0xe8}, true))
		c.Closed()
		if code := f.code(); code != 1000 && (k.Strict || code != 0) {
			k.Errorf("close code %d", code)
		}
	}},
	{V5: "MQTT-3.1.2-8 EXT-WS-1", Title: "a WebSocket closed without DISCONNECT publishes the will", Needs: needsWS, Run: func(k *Kit) {
		sub, w := willOn(k, 1)
		c, f := k.WebSocket()
		if ack := c.Open(k.Packet(withWill(w))); ack == nil || ack.Reason != 0 {
			k.Fatalf("CONNECT answered by %v", ack)
		}
		f.Raw(frame(true, opClose, []byte{0x03, 0xe8}, true))
		sub.Want("will")
	}},
}
