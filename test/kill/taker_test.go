package kill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"alcove/internal/mqtt"
)

// habit is how a taker keeps its connection.
type habit int

const (
	online  habit = iota // connects again as soon as it can
	flaky                // drops the connection now and then, with or without DISCONNECT, before or after an ack
	offline              // subscribes, and comes back at the end
)

// hearing is what a taker has received of one sender.
type hearing struct {
	next    uint64 // number of the next message that was not seen
	doubles int    // at QoS 1: legal
	done    bool   // the sender's last message came
}

// taker is a subscriber with a persistent session.
type taker struct {
	client
	habit  habit
	hears  []int // the senders it has subscribed to, by index
	door   *door
	drain  <-chan struct{} // closed when everybody comes back for the rest
	rand   *rand.Rand
	ready  chan<- struct{} // gets one value after the first SUBACK
	taken  map[int]*hearing
	exact  map[uint16]bool // QoS 2 packet ids that wait for their PUBREL
	joined bool            // SUBACK came
	drops  int
}

// run receives until the last message of every sender it hears.
func (k *taker) run(ctx context.Context) error {
	life := 0
	for ctx.Err() == nil {
		if k.joined && k.habit == offline {
			select {
			case <-k.drain:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		addr, now, err := k.door.enter(ctx, life)
		if err != nil {
			return err
		}
		err = k.connection(addr)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errAway):
			// Its own doing: the broker may be alive still.
		case fault(err) || !k.door.excuses(now):
			return fmt.Errorf("taker %s (%s), life %d: %w", k.id, k.version, now, err)
		default:
			life = now
		}
	}
	return ctx.Err()
}

// errAway tells that a taker has left by itself.
var errAway = errors.New("away")

// connection receives over one connection until it breaks; nil means that all is done.
func (k *taker) connection(addr string) error {
	w, err := k.dial(addr)
	if err != nil {
		return err
	}
	defer w.conn.Close()
	if !k.joined {
		var filters []string
		for _, index := range k.hears {
			filters = append(filters, liveTopic(index))
		}
		if err := w.subscribe(filters, func(h mqtt.Header, body []byte) error { return k.take(w, h, body) }); err != nil {
			return err
		}
		k.joined = true
		k.ready <- struct{}{}
		if k.habit == offline {
			if err := w.bye(); err != nil {
				return err
			}
			return errAway
		}
	}
	for !k.done() {
		h, body, err := w.read()
		if err != nil {
			return err
		}
		if k.leaves() {
			return errAway // before the packet is taken
		}
		if err := k.take(w, h, body); err != nil {
			return err
		}
		if k.leaves() {
			return k.leave(w)
		}
	}
	return k.end(w)
}

// leaves tells, at random, whether a flaky taker ends its connection now.
func (k *taker) leaves() bool {
	if k.habit != flaky || k.rand.IntN(150) > 0 {
		return false
	}
	select {
	case <-k.drain:
		return false
	default:
		k.drops++
		return true
	}
}

// leave ends a connection after a packet was taken: politely, or with the ack
// written, or with it lost.
func (k *taker) leave(w *wire) error {
	var err error
	switch k.rand.IntN(3) {
	case 0:
		err = w.bye()
	case 1:
		err = w.flush()
	}
	if err != nil {
		return err
	}
	// Sometimes it stays away for a while.
	if k.rand.IntN(3) == 0 {
		time.Sleep(time.Duration(k.rand.IntN(300)) * time.Millisecond)
	}
	return errAway
}

// take handles one packet as a client that persists its state does.
func (k *taker) take(w *wire, h mqtt.Header, body []byte) error {
	switch h.Type {
	case mqtt.TypePublish:
		return k.message(w, h, body)
	case mqtt.TypePubrel:
		var a mqtt.Ack
		if err := a.Decode(w.version, h, body); err != nil {
			return &refusedError{err.Error()}
		}
		delete(k.exact, a.PacketID)
		w.ack(mqtt.TypePubcomp, a.PacketID) // [MQTT-4.3.3-12]
		return nil
	case mqtt.TypePingresp:
		return nil
	}
	return &refusedError{fmt.Sprintf("an unexpected %s %x", h.Type, body)}
}

func (k *taker) message(w *wire, h mqtt.Header, body []byte) error {
	var p mqtt.Publish
	if err := p.DecodeFromServer(w.version, h, body); err != nil {
		return &refusedError{err.Error()}
	}
	switch p.QoS {
	case mqtt.QoS1:
		w.ack(mqtt.TypePuback, p.PacketID)
	case mqtt.QoS2:
		w.ack(mqtt.TypePubrec, p.PacketID)
		if k.exact[p.PacketID] { // a repetition [MQTT-4.3.3-10]
			return nil
		}
		k.exact[p.PacketID] = true
	default:
		return &refusedError{"a message of QoS 0"}
	}
	return k.hear(&p)
}

// hear checks number and order of a message [MQTT-4.6.0-5] [MQTT-4.6.0-6].
func (k *taker) hear(p *mqtt.Publish) error {
	index, err := strconv.Atoi(strings.TrimPrefix(string(p.Topic), "kill/live/"))
	if err != nil || !slices.Contains(k.hears, index) {
		return &refusedError{fmt.Sprintf("a message of topic %q", p.Topic)}
	}
	sort, seq, err := parse(p.Payload)
	if err != nil {
		return &refusedError{err.Error()}
	}
	heard := k.taken[index]
	switch {
	case seq == heard.next+1:
		heard.next = seq
		heard.done = sort == sortEnd
	case seq > heard.next+1:
		return &refusedError{fmt.Sprintf("after message %d of sender %d comes %d (QoS %d, DUP %t): lost or out of order",
			heard.next, index, seq, p.QoS, p.Dup)}
	case p.QoS == mqtt.QoS2:
		return &refusedError{fmt.Sprintf("message %d of sender %d comes again at QoS 2, after %d (packet id %d, DUP %t)",
			seq, index, heard.next, p.PacketID, p.Dup)}
	default:
		heard.doubles++
	}
	return nil
}

// done tells whether everything came.
func (k *taker) done() bool {
	for _, heard := range k.taken {
		if !heard.done {
			return false
		}
	}
	return true
}

// end finishes the handshakes that are open; whatever else comes before the PINGRESP
// is checked like before.
func (k *taker) end(w *wire) error {
	w.out = mqtt.AppendPingreq(w.out)
	answered := false
	for !answered || len(k.exact) > 0 {
		h, body, err := w.read()
		if err != nil {
			return err
		}
		answered = answered || h.Type == mqtt.TypePingresp
		if err := k.take(w, h, body); err != nil {
			return err
		}
	}
	return w.bye()
}
