package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"alcove/internal/mqtt"
)

// asker is one connection by MQTT 5 that asks one question at a time: it subscribes,
// takes the retained messages, and unsubscribes.
type asker struct {
	conn   net.Conn
	in     *bufio.Reader
	packet []byte // scratch
	out    []byte // scratch
}

// largestAnswer bounds a packet that an asker reads, in bytes.
const largestAnswer = 1 << 20

// askTime bounds one question.
const askTime = 60 * time.Second

func (r *run) asker(ctx context.Context) (*asker, error) {
	conns, err := r.open(ctx, []hello{{id: r.clientID(), clean: true, version: mqtt.V5}})
	if err != nil {
		return nil, err
	}
	return &asker{conn: conns[0], in: bufio.NewReaderSize(conns[0], 64<<10)}, nil
}

// read returns the next packet, which is valid until the one after.
func (a *asker) read() (h mqtt.Header, body []byte, err error) {
	for n := 2; ; n++ {
		head, err := a.in.Peek(n)
		if err != nil {
			return h, nil, err
		}
		h, used, err := mqtt.DecodeHeader(head)
		if err != nil {
			return h, nil, err
		}
		if used == 0 {
			continue
		}
		if h.Remaining > largestAnswer {
			return h, nil, errors.New("answer too large")
		}
		if _, err := a.in.Discard(used); err != nil {
			return h, nil, err
		}
		if cap(a.packet) < h.Remaining {
			a.packet = make([]byte, h.Remaining)
		}
		body = a.packet[:h.Remaining]
		_, err = io.ReadFull(a.in, body)
		return h, body, err
	}
}

// The packet identifiers of an asker.
const (
	askID   = 1
	leaveID = 2
	sendID  = 3
)

// ask subscribes to a filter, calls each with every PUBLISH that comes, and
// unsubscribes at the SUBACK: so it sees what comes before that, the first page. It
// returns the time from the SUBSCRIBE to the last message, or to the SUBACK where none
// came.
func (a *asker) ask(filter string, each func(h mqtt.Header, body []byte)) (took time.Duration, err error) {
	a.conn.SetDeadline(time.Now().Add(askTime))
	a.out = subscribeBytes(a.out[:0], mqtt.V5, askID, []string{filter}, 0)
	start := time.Now()
	if _, err := a.conn.Write(a.out); err != nil {
		return 0, err
	}
	leave := mqtt.Header{Type: mqtt.TypeUnsubscribe, Flags: 2, Remaining: 5 + len(filter)}.Append(nil)
	leave = append(leave, 0, leaveID, 0, byte(len(filter)>>8), byte(len(filter)))
	leave = append(leave, filter...)
	came := false
	for {
		h, body, err := a.read()
		if err != nil {
			return 0, fmt.Errorf("waiting for retained messages: %w", err)
		}
		switch h.Type {
		case mqtt.TypePublish:
			if _, _, err := publishBody(mqtt.V5, 0, body); err != nil {
				return 0, err
			}
			took, came = time.Since(start), true
			each(h, body)
		case mqtt.TypeSuback:
			if code := mqtt.ReasonCode(body[len(body)-1]); code.Failed() {
				return 0, fmt.Errorf("SUBSCRIBE to %.80s… refused: %v", filter, code)
			}
			if !came {
				took = time.Since(start)
			}
			if _, err := a.conn.Write(leave); err != nil {
				return 0, err
			}
		case mqtt.TypeUnsuback:
			return took, nil // nothing of this question comes after it
		default:
			return 0, fmt.Errorf("%v from the broker", h.Type)
		}
	}
}

// stampOf returns the timestamp of a retained message, as the broker writes it
// [EXT-UP-1].
func (a *asker) stampOf(topic string) (stamp string, err error) {
	_, err = a.ask(topic, func(h mqtt.Header, body []byte) {
		var p mqtt.Publish
		if p.DecodeFromServer(mqtt.V5, h, body) == nil {
			v, _ := p.Props.User.Get("timestamp")
			stamp = string(v)
		}
	})
	if err == nil && stamp == "" {
		err = fmt.Errorf("the retained message of %s has no timestamp", topic)
	}
	return stamp, err
}

// send publishes a retained message by QoS 1 and waits for the answer.
func (a *asker) send(topic string, payload []byte) (*mqtt.Ack, error) {
	a.conn.SetDeadline(time.Now().Add(deleteTime))
	p := mqtt.Publish{Topic: []byte(topic), QoS: 1, PacketID: sendID, Retain: true, Payload: payload}
	if _, err := a.conn.Write(p.Append(nil, mqtt.V5)); err != nil {
		return nil, err
	}
	h, body, err := a.read()
	if err != nil {
		return nil, fmt.Errorf("waiting for PUBACK: %w", err)
	}
	if h.Type != mqtt.TypePuback {
		return nil, fmt.Errorf("%v instead of PUBACK", h.Type)
	}
	var ack mqtt.Ack
	if err := ack.Decode(mqtt.V5, h, body); err != nil {
		return nil, err
	}
	if ack.Code.Failed() {
		return nil, fmt.Errorf("a message to %s was refused: %v", topic, ack.Code)
	}
	return &ack, nil
}

// deleteTime bounds a bulk deletion.
const deleteTime = 15 * time.Minute

// deleteAll removes the retained messages that a filter matches and returns how many
// the broker says there were [EXT-RET-2].
func (a *asker) deleteAll(filter string) (int, error) {
	ack, err := a.send(filter, nil)
	if err != nil {
		return 0, err
	}
	count, _ := ack.User.Get("deleted_count")
	n, err := strconv.Atoi(string(count))
	if err != nil {
		return 0, fmt.Errorf("PUBACK of a bulk deletion has no deleted_count: %q", count)
	}
	return n, nil
}
