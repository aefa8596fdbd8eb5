package conform

import (
	"time"

	"alcove/test/conform/wire"
)

func waitSeconds(s float64) { time.Sleep(time.Duration(s * float64(time.Second))) }

var keepAliveCases = []Case{
	{V5: "MQTT-3.1.2-22 MQTT-3.2.2-22 MQTT-3.1.2-21", V311: "MQTT311-3.1.2-24", V31: "MQTT31", Title: "silence for 1.5 times Keep Alive ends the connection and publishes the will", Run: func(k *Kit) {
		sub, w := willOn(k, 1)
		c := k.Connect(withKeepAlive(2), withWill(w))
		if c.Connack.Props.Has(wire.ServerKeepAlive) {
			k.Skipf("the server sets its own keep-alive")
		}
		start := time.Now()
		c.Closed(0x8d)
		if d := time.Since(start); d < 2900*time.Millisecond {
			k.Errorf("closed after %v", d)
		}
		sub.Want("will")
	}},
	{V5: "MQTT-3.12.4-1 MQTT-3.1.2-22", V311: "MQTT311-3.12.4-1", V31: "MQTT31", Title: "PINGREQ is answered and keeps the connection", Run: func(k *Kit) {
		c := k.Connect(withKeepAlive(2))
		for range 6 {
			waitSeconds(0.8)
			c.Ping()
		}
	}},
	{V5: "MQTT-3.1.2-22", V311: "MQTT311-3.1.2-24", Title: "a packet that is not whole does not keep the connection", Run: func(k *Kit) {
		c := k.Connect(withKeepAlive(1))
		whole := wire.Publish{Topic: k.Topic("a"), Payload: "payload that comes byte by byte and never ends"}.Bytes(k.V)
		for i := 0; i < 12; i++ { // twelve bytes in six seconds
			c.Send(whole[i : i+1])
			if c.waitEnd(500 * time.Millisecond) {
				break
			}
		}
		c.Closed(0x8d)
	}},
	{V5: "MQTT-4.1.0-1", V311: "MQTT311-4.1.0-2", Title: "a session lasts as long as its idle connection", Run: func(k *Kit) {
		pub, sub := k.Pair(k.Topic("a"), 1)
		waitSeconds(5)
		pub.Say(k.Topic("a"), "x", 1)
		sub.Want("x")
	}},
}
