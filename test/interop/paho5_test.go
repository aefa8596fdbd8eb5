package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// sessionExpiry is what persistent 5.0 sessions ask for, in seconds.
const sessionExpiry = uint32(3600)

// pahoV5 is github.com/eclipse/paho.golang/paho, which works on a connection that
// its caller opens.
var pahoV5 = kind{
	name:    "paho.golang 5.0",
	schemes: []string{"mqtt", "mqtts"},
	open: func(_ *testing.T, o options) (peer, error) {
		return openPaho5(o, nil)
	},
}

type paho5 struct {
	client *paho.Client
	conn   net.Conn
	in     chan message
	ack    *paho.Connack
}

// openPaho5 connects; tap, when given, also sees each delivery as the library
// shows it.
func openPaho5(o options, tap func(*paho.Publish)) (*paho5, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := dialFor(ctx, o)
	if err != nil {
		return nil, err
	}
	p := &paho5{conn: conn, in: make(chan message, 4096)}
	p.client = paho.NewClient(paho.ClientConfig{
		ClientID: o.clientID,
		Conn:     packets.NewThreadSafeConn(conn),
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){
			func(r paho.PublishReceived) (bool, error) {
				if tap != nil {
					tap(r.Packet)
				}
				p.in <- fromPaho5(r.Packet)
				return true, nil
			},
		},
	})
	if p.ack, err = p.client.Connect(ctx, connectPacket(o)); err != nil {
		conn.Close()
		return nil, err
	}
	if err := subscribePaho5(ctx, p.client.Subscribe, o.subs); err != nil {
		conn.Close()
		return nil, err
	}
	return p, nil
}

// dialFor opens the TCP or TLS connection for o.
func dialFor(ctx context.Context, o options) (net.Conn, error) {
	if o.url.Scheme == "mqtts" {
		d := tls.Dialer{Config: tlsConfig()}
		return d.DialContext(ctx, "tcp", o.url.Host)
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", o.url.Host)
}

// connectPacket builds a CONNECT from the options.
func connectPacket(o options) *paho.Connect {
	c := &paho.Connect{
		ClientID: o.clientID, KeepAlive: 60, CleanStart: !o.persistent,
		Username: o.username, UsernameFlag: o.username != "",
		Password: []byte(o.password), PasswordFlag: o.password != "",
		Properties: &paho.ConnectProperties{RequestProblemInfo: true},
	}
	if o.persistent {
		expiry := sessionExpiry
		c.Properties.SessionExpiryInterval = &expiry
	}
	if o.will != nil {
		c.WillMessage = &paho.WillMessage{
			Topic: o.will.topic, Payload: o.will.payload, QoS: o.will.qos, Retain: o.will.retain,
		}
		c.WillProperties = &paho.WillProperties{}
	}
	return c
}

// subscribePaho5 makes one SUBSCRIBE of all subs and checks the granted QoS.
func subscribePaho5(
	ctx context.Context, subscribe func(context.Context, *paho.Subscribe) (*paho.Suback, error), subs []subscription,
) error {
	if len(subs) == 0 {
		return nil
	}
	var req paho.Subscribe
	for _, s := range subs {
		req.Subscriptions = append(req.Subscriptions, paho.SubscribeOptions{Topic: s.filter, QoS: s.qos})
	}
	ack, err := subscribe(ctx, &req)
	if err != nil {
		return err
	}
	for i, s := range subs {
		if ack.Reasons[i] != s.qos {
			return fmt.Errorf("subscribing to %s: SUBACK %#x", s.filter, ack.Reasons[i])
		}
	}
	return nil
}

func fromPaho5(m *paho.Publish) message {
	return message{topic: m.Topic, qos: m.QoS, retain: m.Retain, payload: m.Payload}
}

// publishPaho5 publishes and takes any reason code of 0x80 and above for an error.
func publishPaho5(send func(context.Context, *paho.Publish) (*paho.PublishResponse, error), m message) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := send(ctx, &paho.Publish{Topic: m.topic, QoS: m.qos, Retain: m.retain, Payload: m.payload})
	return err
}

func (p *paho5) publish(m message) error      { return publishPaho5(p.client.Publish, m) }
func (p *paho5) received() <-chan message     { return p.in }
func (p *paho5) sessionPresent() (bool, bool) { return p.ack.SessionPresent, true }
func (p *paho5) abandon()                     { p.conn.Close() }

func (p *paho5) disconnect() error {
	err := p.client.Disconnect(&paho.Disconnect{ReasonCode: 0})
	select {
	case <-p.client.Done():
	case <-time.After(patience):
		err = errors.Join(err, errors.New("the client did not end"))
	}
	p.conn.Close()
	return err
}
