package client

import (
	"context"
	"errors"

	"alcove/internal/mqtt"
)

// Filter is one topic filter of a subscription with its options.
type Filter struct {
	Filter string
	mqtt.SubscribeOptions
}

// Subscription is what one SUBSCRIBE asks for.
type Subscription struct {
	Filters []Filter
	ID      uint32 // Subscription Identifier; 0: none; MQTT 5
	User    mqtt.UserProperties
}

// Subscribe asks for messages and waits for SUBACK. What the server refuses is in the
// codes, one for each filter in their order, not in the error.
func (c *Client) Subscribe(ctx context.Context, s Subscription) (*mqtt.Suback, error) {
	if len(s.Filters) == 0 {
		return nil, errors.New("no topic filter") // [MQTT-3.8.3-2]
	}
	answer, err := c.request(ctx, "SUBSCRIBE", func(id uint16) []byte {
		p := mqtt.Subscribe{PacketID: id, SubscriptionID: s.ID, User: s.User}
		for _, f := range s.Filters {
			p.Add(f.Filter, f.SubscribeOptions)
		}
		return p.Append(nil, c.version)
	})
	if err != nil {
		return nil, err
	}
	ack, ok := answer.(*mqtt.Suback)
	if !ok || len(ack.Codes) != len(s.Filters) {
		return nil, errors.New("the server's answer to SUBSCRIBE does not fit") // [MQTT-3.8.4-6]
	}
	return ack, nil
}

// Unsubscribe ends subscriptions and waits for UNSUBACK. user are the User Properties
// of the packet, nil for none.
func (c *Client) Unsubscribe(ctx context.Context, filters []string, user mqtt.UserProperties) (*mqtt.Unsuback, error) {
	if len(filters) == 0 {
		return nil, errors.New("no topic filter") // [MQTT-3.10.3-2]
	}
	answer, err := c.request(ctx, "UNSUBSCRIBE", func(id uint16) []byte {
		p := mqtt.Unsubscribe{PacketID: id, User: user}
		for _, f := range filters {
			p.Add(f)
		}
		return p.Append(nil, c.version)
	})
	if err != nil {
		return nil, err
	}
	ack, ok := answer.(*mqtt.Unsuback)
	if !ok {
		return nil, errors.New("the server's answer to UNSUBSCRIBE does not fit")
	}
	return ack, nil
}

// request sends a packet with an identifier and waits for what answers it.
func (c *Client) request(ctx context.Context, name string, build func(id uint16) []byte) (any, error) {
	c.session.mu.Lock()
	id, err := c.session.nextID()
	c.session.mu.Unlock()
	if err != nil {
		return nil, err
	}
	wait := make(chan any, 1)
	c.requests.Lock()
	c.requests.waiting[id] = wait
	c.requests.Unlock()
	defer c.forget(id)
	if err := c.send(build(id), name); err != nil {
		if ended := c.Err(); ended != nil {
			return nil, ended
		}
		return nil, err
	}
	select {
	case answer := <-wait:
		return answer, nil
	case <-c.done:
		return nil, c.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *Client) forget(id uint16) {
	c.requests.Lock()
	delete(c.requests.waiting, id)
	c.requests.Unlock()
	c.session.mu.Lock()
	delete(c.session.used, id)
	c.session.mu.Unlock()
}

// answer hands SUBACK or UNSUBACK to whoever waits for it.
func (c *Client) answer(id uint16, packet any) error {
	c.requests.Lock()
	defer c.requests.Unlock()
	if wait := c.requests.waiting[id]; wait != nil {
		select {
		case wait <- packet:
		default: // answered twice
		}
	}
	return nil
}

// Reauthenticate runs the authentication exchange again on the living connection, by
// the method with which it began [MQTT-4.12.1-1].
func (c *Client) Reauthenticate(ctx context.Context, auth Authenticator) error {
	if c.opts.Auth == nil || auth.Method() != c.opts.Auth.Method() {
		return errors.New("re-authentication needs the method that the connection began with")
	}
	data, err := auth.Start()
	if err != nil {
		return err
	}
	answers := make(chan *mqtt.Auth, 1)
	c.requests.Lock()
	busy := c.requests.auth != nil
	if !busy {
		c.requests.auth = answers
	}
	c.requests.Unlock()
	if busy {
		return errors.New("a re-authentication is under way")
	}
	defer func() {
		c.requests.Lock()
		c.requests.auth = nil
		c.requests.Unlock()
	}()
	first := mqtt.Auth{Code: mqtt.ReAuthenticate, Method: []byte(auth.Method()), Data: data}
	if err := c.send(first.Append(nil, c.version), "AUTH"); err != nil {
		return err
	}
	for {
		select {
		case a := <-answers:
			if a.Code == mqtt.Success {
				return auth.Finish(a.Data)
			}
			if err := c.answerAuth(auth, a, mqtt.ContinueAuthentication); err != nil {
				return err
			}
		case <-c.done:
			return c.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handleAuth hands an AUTH to the re-authentication under way.
func (c *Client) handleAuth(a *mqtt.Auth) error {
	c.requests.Lock()
	defer c.requests.Unlock()
	if c.requests.auth == nil {
		return &mqtt.Error{Code: mqtt.ProtocolError, Reason: "AUTH that was not asked for"}
	}
	select {
	case c.requests.auth <- a:
		return nil
	default:
		return &mqtt.Error{Code: mqtt.ProtocolError, Reason: "AUTH out of turn"}
	}
}
