package interop

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// pahoV3 is github.com/eclipse/paho.mqtt.golang in protocol version 3 or 4.
func pahoV3(name string, version uint) kind {
	return kind{
		name:          name,
		schemes:       []string{"mqtt", "mqtts", "ws", "wss"},
		selfReconnect: []string{"mqtt", "mqtts", "ws", "wss"},
		open: func(_ *testing.T, o options) (peer, error) {
			return openPaho3(version, o)
		},
	}
}

type paho3 struct {
	client  mqtt.Client
	in      chan message
	present bool
	version uint
}

func openPaho3(version uint, o options) (peer, error) {
	p := &paho3{in: make(chan message, 4096), version: version}
	opts := mqtt.NewClientOptions().
		AddBroker(strings.Replace(o.url.String(), "mqtts://", "ssl://", 1)).
		SetProtocolVersion(version).
		SetClientID(o.clientID).
		SetUsername(o.username).
		SetPassword(o.password).
		SetCleanSession(!o.persistent).
		SetAutoReconnect(o.reconnects).
		SetMaxReconnectInterval(200 * time.Millisecond).
		SetConnectTimeout(patience).
		SetTLSConfig(tlsConfig()).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			p.in <- message{topic: m.Topic(), qos: m.Qos(), retain: m.Retained(), payload: m.Payload()}
		})
	if o.will != nil {
		opts.SetBinaryWill(o.will.topic, o.will.payload, o.will.qos, o.will.retain)
	}
	p.client = mqtt.NewClient(opts)
	connect := p.client.Connect()
	if err := await(connect); err != nil {
		return nil, err
	}
	p.present = connect.(*mqtt.ConnectToken).SessionPresent()
	for _, sub := range o.subs {
		tok := p.client.Subscribe(sub.filter, sub.qos, nil)
		if err := await(tok); err != nil {
			return nil, err
		}
		// One filter, one result; its key lacks a "$share/group/".
		for _, code := range tok.(*mqtt.SubscribeToken).Result() {
			if code != sub.qos {
				return nil, fmt.Errorf("subscribing to %s: SUBACK %#x", sub.filter, code)
			}
		}
	}
	return p, nil
}

// await waits for one of the library's tokens.
func await(t mqtt.Token) error {
	if !t.WaitTimeout(patience) {
		return errors.New("no answer")
	}
	return t.Error()
}

func (p *paho3) publish(m message) error {
	return await(p.client.Publish(m.topic, m.qos, m.retain, m.payload))
}

func (p *paho3) received() <-chan message { return p.in }

// 3.1 has no session present flag.
func (p *paho3) sessionPresent() (bool, bool) { return p.present, p.version != 3 }

func (p *paho3) disconnect() error { p.client.Disconnect(250); return nil }
func (p *paho3) abandon()          { p.client.Disconnect(0) }
