package client

import (
	"context"
	"sync"

	"alcove/internal/mqtt"
)

// Session is the client's part of the session state: it outlives the connection.
type Session struct {
	mu       sync.Mutex
	last     uint16              // the packet identifier given last
	used     map[uint16]struct{} // identifiers of flights and of requests
	flights  []*flight           // unacknowledged messages in the order of sending
	received map[uint16]struct{} // QoS 2 identifiers received and not released
}

// flight is a QoS 1 or 2 message under way to the server.
type flight struct {
	id       uint16
	message  *Message
	sent     bool // on the present connection
	earlier  bool // sent on some connection before: DUP is due
	released bool // PUBREC has come: PUBREL is due instead of the message
	receipt  Receipt
	err      error
	done     chan struct{}
}

// Receipt is the server's acknowledgement of a message: of PUBACK, PUBREC or PUBCOMP.
// It is the zero value for QoS 0.
type Receipt struct {
	Code   mqtt.ReasonCode
	Reason string
	User   mqtt.UserProperties
}

// NewSession returns an empty session.
func NewSession() *Session {
	return &Session{used: make(map[uint16]struct{}), received: make(map[uint16]struct{})}
}

// Pending returns the number of messages not acknowledged yet.
func (s *Session) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.flights)
}

// nextID reserves a packet identifier that is not in use [MQTT-2.2.1-3]. Called with
// s.mu held.
func (s *Session) nextID() (uint16, error) {
	for range 65535 {
		s.last++
		if s.last == 0 {
			continue
		}
		if _, ok := s.used[s.last]; !ok {
			s.used[s.last] = struct{}{}
			return s.last, nil
		}
	}
	return 0, ErrIdentifiers
}

// find returns the flight with this identifier. Called with s.mu held.
func (s *Session) find(id uint16) *flight {
	for _, f := range s.flights {
		if f.id == id {
			return f
		}
	}
	return nil
}

// finish ends a flight and frees its identifier. Called with s.mu held.
func (s *Session) finish(f *flight) {
	for i, other := range s.flights {
		if other == f {
			s.flights = append(s.flights[:i], s.flights[i+1:]...)
			break
		}
	}
	delete(s.used, f.id)
	close(f.done)
}

// reset forgets everything: the server has no session [MQTT-3.2.2-5].
func (s *Session) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.flights {
		f.err = ErrSessionLost
		close(f.done)
	}
	s.flights = nil
	clear(s.used)
	clear(s.received)
}

// Delivery is a message handed to a Client and not necessarily acknowledged.
type Delivery struct {
	client *Client
	flight *flight // nil for QoS 0
}

// Wait returns the acknowledgement. When the connection ends first it returns the
// connection's error; a later Client with the same Session then sends the message again.
func (d *Delivery) Wait(ctx context.Context) (Receipt, error) {
	if d.flight == nil {
		return Receipt{}, nil
	}
	select {
	case <-d.flight.done:
		return d.flight.receipt, d.flight.err
	case <-d.client.done:
		select {
		case <-d.flight.done:
			return d.flight.receipt, d.flight.err
		default:
			return Receipt{}, d.client.Err()
		}
	case <-ctx.Done():
		return Receipt{}, ctx.Err()
	}
}
