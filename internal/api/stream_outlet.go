package api

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// streamOutlet is the broker's view of a stream of events: a connection whose loop is a
// goroutine of its own, and whose output is a bounded list of messages, which the
// request's goroutine encodes and writes. So a reader that takes nothing holds up neither
// the loop nor who publishes.
type streamOutlet struct {
	control *http.ResponseController
	remote  netip.AddrPort
	bell    chan struct{} // for the loop
	arrived chan struct{} // for the writer
	gone    chan struct{} // closed when the writer has ended
	// answered is closed when the SUBACK has come, or will not.
	answered chan struct{}

	// Of the loop.
	turn *broker.Turn
	link broker.Link
	late sync.Mutex // held by what is posted after its end

	mu      sync.Mutex
	posted  []func(*broker.Turn)
	woken   bool
	closed  bool // the loop has ended
	queue   []streamed
	bytes   int
	sent    uint64
	dropped int  // live messages since the last notice
	full    bool // something was turned away: the broker waits to hear of room
	told    bool // answered is closed
	refusal *mqtt.Error
	end     *mqtt.Error // why the broker has ended it
}

// streamed is a message on its way to the reader.
type streamed struct {
	m      *broker.Message
	retain bool
}

func newStreamOutlet(control *http.ResponseController) *streamOutlet {
	return &streamOutlet{
		control: control, bell: make(chan struct{}, 1), arrived: make(chan struct{}, 1),
		gone: make(chan struct{}), answered: make(chan struct{}),
	}
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// run is the loop: it alone uses the link.
func (o *streamOutlet) run() {
	for ended := false; !ended; {
		select {
		case <-o.bell:
		case <-o.gone:
			ended = true
		}
		o.turnOver(func(t *broker.Turn) {
			if ended {
				_ = o.link.Disconnect(t, &mqtt.Disconnect{}) // no error without properties
			}
		})
	}
	// What is posted from now on runs by itself.
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.late.Lock()
	defer o.late.Unlock()
	o.turnOver(func(*broker.Turn) {})
}

// turnOver runs one turn: what was posted, then f.
func (o *streamOutlet) turnOver(f func(*broker.Turn)) {
	o.mu.Lock()
	posted, woken := o.posted, o.woken
	o.posted, o.woken = nil, false
	o.mu.Unlock()
	o.turn.Begin(time.Now())
	for _, p := range posted {
		p(o.turn)
	}
	if woken {
		o.link.Ripe(o.turn)
	}
	f(o.turn)
	o.turn.End()
}

// stop ends the loop, once the writer has ended.
func (o *streamOutlet) stop() { close(o.gone) }

// Deliver implements broker.Outlet. Messages are kept, not copied for each stream.
func (o *streamOutlet) Deliver(_ *broker.Turn, d *broker.Delivery) broker.Outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.end != nil || o.closed:
		return broker.Gone
	case d.Live != nil && d.Live.Load() != d.Gen:
		return broker.Stale
	case o.bytes > 0 && o.bytes+d.Message.Size() > streamQueue:
		o.full = true
		if d.Live != nil { // a replay of retained messages waits instead
			o.dropped++
		}
		return broker.Full
	}
	m := d.Keep()
	o.queue = append(o.queue, streamed{m, d.Retain})
	o.bytes += m.Size()
	o.sent++
	ring(o.arrived)
	return broker.Sent
}

// Send implements broker.Outlet: of the control packets only the SUBACK says something.
func (o *streamOutlet) Send(_ *broker.Turn, packets []byte) {
	for len(packets) > 0 {
		h, n, err := mqtt.DecodeHeader(packets)
		if err != nil || n == 0 || len(packets) < n+h.Remaining {
			return
		}
		if h.Type == mqtt.TypeSuback {
			var p mqtt.Suback
			if err := p.Decode(mqtt.V5, h, packets[n:n+h.Remaining]); err == nil && len(p.Codes) > 0 {
				o.answer(p.Codes[0], string(p.Reason))
			}
		}
		packets = packets[n+h.Remaining:]
	}
}

// answer tells that the subscription stands, or why it does not. The first one counts.
func (o *streamOutlet) answer(code mqtt.ReasonCode, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tell(code, reason)
}

func (o *streamOutlet) tell(code mqtt.ReasonCode, reason string) {
	if o.told {
		return
	}
	if o.told = true; code.Failed() {
		o.refusal = &mqtt.Error{Code: code, Reason: reason}
	}
	close(o.answered)
}

// End implements broker.Outlet: the reader is told, if it takes anything within a second.
func (o *streamOutlet) End(_ *broker.Turn, code mqtt.ReasonCode, reason string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		return
	}
	o.end = &mqtt.Error{Code: code, Reason: reason}
	o.tell(mqtt.NotAuthorized, reason)
	_ = o.control.SetWriteDeadline(time.Now().Add(streamGoodbye))
	ring(o.arrived)
}

// Wake implements broker.Outlet.
func (o *streamOutlet) Wake() {
	o.mu.Lock()
	o.woken = true
	o.mu.Unlock()
	ring(o.bell)
}

// Post implements broker.Outlet.
func (o *streamOutlet) Post(f func(*broker.Turn)) {
	o.mu.Lock()
	o.posted = append(o.posted, f)
	closed := o.closed
	o.mu.Unlock()
	if closed {
		go func() {
			o.late.Lock()
			defer o.late.Unlock()
			o.turnOver(func(*broker.Turn) {})
		}()
		return
	}
	ring(o.bell)
}

// Peer implements broker.Outlet.
func (o *streamOutlet) Peer() (netip.AddrPort, string) { return o.remote, "sse" }

// Sent implements broker.Outlet.
func (o *streamOutlet) Sent() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent
}

// Flush implements broker.Outlet: the writer was rung already.
func (o *streamOutlet) Flush() {}

// deadline gives a write its time, less of it once the stream has ended.
func (o *streamOutlet) deadline() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end == nil {
		_ = o.control.SetWriteDeadline(time.Now().Add(streamTimeout))
	}
}

// take gives the writer what has gathered, and lets the broker know of the room.
func (o *streamOutlet) take(spare []streamed) (queue []streamed, dropped int, end *mqtt.Error) {
	o.mu.Lock()
	queue, dropped, end = o.queue, o.dropped, o.end
	o.queue, o.bytes, o.dropped = spare[:0], 0, 0
	full := o.full
	o.full = false
	o.mu.Unlock()
	if full && end == nil {
		o.Post(func(t *broker.Turn) { o.link.Drained(t) })
	}
	return queue, dropped, end
}
