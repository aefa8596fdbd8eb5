package conform

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// try runs cases on an alcove with a configuration of their own.
func try(t *testing.T, c alcovetest.Config, cases ...Case) {
	if *flagURL != "" {
		t.Skip("-url given")
	}
	t.Parallel()
	target := alcove(alcovetest.Start(t, c))
	for _, c := range cases {
		for _, x := range variants(c) {
			t.Run(x.name(), func(t *testing.T) {
				t.Parallel()
				judge(t, target, x)
			})
		}
	}
}

func TestMaximumQoS(t *testing.T) {
	for max := range uint32(2) {
		t.Run(fmt.Sprint(max), func(t *testing.T) {
			try(t, alcovetest.Config{YAML: fmt.Sprintf("maximum_qos: %d\n", max)},
				Case{V5: "MQTT-3.2.2-9", Title: "Maximum QoS is announced", Run: func(k *Kit) {
					if got := k.Connect().Connack.Props.Num(wire.MaximumQoS, 2); got != max {
						k.Errorf("Maximum QoS %d, want %d", got, max)
					}
				}},
				Case{V5: "MQTT-3.2.2-10", V311: "MQTT311-3.8.4-6", Title: "subscriptions are granted at the lower QoS", Run: func(k *Kit) {
					pub, sub := k.Connect(), k.Connect()
					for qos := range byte(3) {
						if r := sub.Subscribe(k.Topic(fmt.Sprint(qos)), qos); uint32(r) != min(uint32(qos), max) {
							k.Errorf("asked for %d, granted %#02x", qos, r)
						}
						pub.Say(k.Topic(fmt.Sprint(qos)), "x", byte(max))
						sub.Want("x")
					}
				}},
				badPacket("MQTT-3.2.2-11", "", "a PUBLISH above it closes", func(k *Kit) []byte {
					return wire.Publish{Topic: k.Topic("a"), QoS: byte(max) + 1, ID: 1}.Bytes(k.V)
				}, 0x9b),
				Case{V5: "MQTT-3.2.2-12", Title: "a will above it is refused", Run: func(k *Kit) {
					c, ack := k.Open(withWill(wire.Will{Topic: k.Topic("a"), QoS: byte(max) + 1}))
					if ack == nil || ack.Reason != 0x9b {
						k.Errorf("answered by %v", ack)
					}
					c.Closed()
					k.Connect(withWill(wire.Will{Topic: k.Topic("a"), QoS: byte(max)})).Bye()
				}})
		})
	}
}

func TestRetainUnavailable(t *testing.T) {
	try(t, alcovetest.Config{YAML: "retain_available: false\n"},
		Case{V5: "MQTT-3.2.2-14", Title: "Retain Available 0 is announced", Run: func(k *Kit) {
			if k.Connect().Connack.Props.Num(wire.RetainAvailable, 1) != 0 {
				k.Errorf("not announced")
			}
		}},
		badPacket("MQTT-3.2.2-14", "", "a retained PUBLISH closes", func(k *Kit) []byte {
			return wire.Publish{Topic: k.Topic("a"), QoS: 1, ID: 1, Retain: true}.Bytes(k.V)
		}, 0x9a),
		Case{V5: "MQTT-3.2.2-13", Title: "a retained will is refused", Run: func(k *Kit) {
			c, ack := k.Open(withWill(wire.Will{Topic: k.Topic("a"), Retain: true}))
			if ack == nil || ack.Reason != 0x9a {
				k.Errorf("answered by %v", ack)
			}
			c.Closed()
		}})
}

func TestSubscriptionFeaturesUnavailable(t *testing.T) {
	try(t, alcovetest.Config{YAML: "wildcard_available: false\nshared_available: false\nsubscription_identifiers_available: false\n"},
		Case{V5: "MQTT-3.9.3-2", Title: "what is not available is announced", Run: func(k *Kit) {
			c := k.Connect()
			for _, id := range []byte{wire.WildcardAvailable, wire.SharedSubscriptionsOK, wire.SubscriptionIDsOffer} {
				if c.Connack.Props.Num(id, 1) != 0 {
					k.Errorf("property %d is not 0", id)
				}
			}
		}},
		Case{V5: "MQTT-3.9.3-2", V311: "MQTT311-3.8.3-2", Title: "wildcards are refused", Run: func(k *Kit) {
			c := k.Connect()
			got := c.SubscribeAll(nil, wire.Sub{Filter: k.Topic("+")}, wire.Sub{Filter: k.Topic("a")}, wire.Sub{Filter: "#"})
			want := byte(0xa2)
			if k.V < wire.V5 {
				want = 0x80
			}
			if got[0] != want || got[1] != 0 || got[2] != want {
				k.Errorf("reasons %x", got)
			}
		}},
		Case{V5: "MQTT-3.9.3-2", Title: "shared subscriptions are refused", Run: func(k *Kit) {
			c := k.Connect()
			c.Send(wire.Subscribe(k.V, 1, nil, wire.Sub{Filter: "$share/g/" + k.Topic("a")}))
			refusedSuback(c, 0x9e)
		}},
		Case{V5: "MQTT-3.9.3-2", Title: "subscription identifiers are refused", Run: func(k *Kit) {
			c := k.Connect()
			c.Send(wire.Subscribe(k.V, 1, wire.Props{wire.Num(wire.SubscriptionID, 1)}, wire.Sub{Filter: k.Topic("a")}))
			refusedSuback(c, 0xa1)
		}})
}

func TestServerKeepAlive(t *testing.T) {
	try(t, alcovetest.Config{YAML: "server_keep_alive: 2\n"},
		Case{V5: "MQTT-3.2.2-21 MQTT-3.1.2-21", Title: "Server Keep Alive is announced and rules", Run: func(k *Kit) {
			for _, asked := range []uint16{0, 1, 600} {
				c := k.Connect(withKeepAlive(asked))
				if got := c.Connack.Props.Num(wire.ServerKeepAlive, 0); got != 2 {
					k.Errorf("asked for %d: Server Keep Alive %d", asked, got)
				}
				start := time.Now()
				c.Closed(0x8d)
				if d := time.Since(start); d < 2900*time.Millisecond {
					k.Errorf("asked for %d: closed after %v", asked, d)
				}
			}
		}})
}

func TestQuotas(t *testing.T) {
	try(t, alcovetest.Config{YAML: "maximum_packet_size: 2000\nreceive_maximum: 3\ntopic_alias_maximum: 2\n"},
		Case{V5: "EXT-LIM-1", Title: "the quotas are announced", Run: func(k *Kit) {
			c := k.Connect()
			if p := c.Connack.Props; p.Num(wire.MaximumPacketSize, 0) != 2000 || p.Num(wire.ReceiveMaximum, 0) != 3 || p.Num(wire.TopicAliasMaximum, 0) != 2 {
				k.Errorf("%v", p)
			}
		}},
		Case{V5: "MQTT-3.2.2-15", V311: "EXT-LIM-1", Title: "packets up to the maximum pass, larger ones close", Run: func(k *Kit) {
			pub, sub := k.Pair(k.Topic("a"), 0)
			head := len(wire.Publish{Topic: k.Topic("a")}.Bytes(k.V)) + 1 // the length takes a second byte
			exact := make([]byte, 2000-head)
			pub.Say(k.Topic("a"), string(exact), 0)
			if got := sub.Take(); len(got.Payload) != len(exact) {
				k.Errorf("%d bytes", len(got.Payload))
			}
			pub.Send(wire.Publish{Topic: k.Topic("a"), Payload: string(exact) + "x"}.Bytes(k.V))
			pub.Closed(0x95)
			sub.Silent()
		}},
		Case{V5: "MQTT-3.3.4-7", Title: "a fourth unacknowledged message closes", Run: func(k *Kit) {
			c := k.Connect()
			for id := range uint16(4) {
				c.Send(wire.Publish{Topic: k.Topic("a"), QoS: 2, ID: id + 1}.Bytes(k.V))
			}
			c.Closed(0x93)
		}},
		Case{V5: "MQTT-3.2.2-17", Title: "a third alias closes", Run: func(k *Kit) {
			c := k.Connect()
			c.Publish(aliased(k.Topic("a"), 2, "x"))
			c.Send(aliased(k.Topic("a"), 3, "x").Bytes(k.V))
			c.Closed(0x94)
		}})
}

func TestNoTopicAliases(t *testing.T) {
	try(t, alcovetest.Config{YAML: "topic_alias_maximum: 0\n"},
		Case{V5: "MQTT-3.2.2-18", Title: "without a Topic Alias Maximum an alias closes", Run: func(k *Kit) {
			c := k.Connect()
			if n := c.Connack.Props.Num(wire.TopicAliasMaximum, 0); n != 0 {
				k.Errorf("Topic Alias Maximum %d", n)
			}
			c.Send(aliased(k.Topic("a"), 1, "x").Bytes(k.V))
			c.Closed(0x94)
		}})
}

func TestAnonymous(t *testing.T) {
	connect := func(k *Kit) *wire.Packet { _, ack := k.Open(noCredentials()); return ack }
	t.Run("off", func(t *testing.T) {
		try(t, alcovetest.Config{}, Case{V5: "EXT-TOK-2", V311: "EXT-TOK-2", Title: "no credentials are refused by default", Run: func(k *Kit) {
			want := byte(0x86)
			if k.V < wire.V5 {
				want = 4
			}
			if ack := connect(k); ack == nil || ack.Reason != want {
				k.Errorf("answered by %v", ack)
			}
		}})
	})
	t.Run("on", func(t *testing.T) {
		try(t, alcovetest.Config{YAML: "anonymous_token: 1\n"}, Case{V5: "EXT-TOK-2", V311: "EXT-TOK-2", Title: "no credentials have the rights of the anonymous token", Run: func(k *Kit) {
			if ack := connect(k); ack == nil || ack.Reason != 0 {
				k.Errorf("answered by %v", ack)
			}
			if _, ack := k.Open(withUser(&nobody, &wrong)); ack == nil || ack.Reason == 0 {
				k.Errorf("wrong credentials answered by %v", ack)
			}
		}})
	})
}

func TestPayloadFormatCheck(t *testing.T) {
	try(t, alcovetest.Config{YAML: "payload_format_check: true\n"},
		Case{V5: "MQTT-3.4.2-1 MQTT-3.5.2-1 EXT-UP-7", Title: "a payload said to be UTF-8 that is not is refused in the ack", Run: func(k *Kit) {
			pub, sub := k.Pair(k.Topic("a"), 2)
			for qos := byte(1); qos <= 2; qos++ {
				msg := wire.Publish{Topic: k.Topic("a"), Payload: illFormed, QoS: qos, Props: wire.Props{wire.Num(wire.PayloadFormat, 1)}}
				if r := pub.Publish(msg); r != 0x99 {
					k.Errorf("QoS %d: reason %#02x", qos, r)
				}
			}
			sub.Silent()
			pub.Say(k.Topic("a"), "fine", 1, wire.Num(wire.PayloadFormat, 1))
			sub.Want("fine")
			pub.Say(k.Topic("a"), illFormed, 1)
			sub.Want(illFormed)
		}})
}

func TestUnixSocket(t *testing.T) {
	if *flagURL != "" {
		t.Skip("-url given")
	}
	t.Parallel()
	dir, err := os.MkdirTemp("", "alcove") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "mqtt.sock")
	target := alcove(alcovetest.Start(t, alcovetest.Config{YAML: "unix: " + socket + "\n"}))
	target.URL = "unix://" + socket
	Run(t, target, "connect", "publish", "qos", "will")
}
