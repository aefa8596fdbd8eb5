package server

import (
	"errors"
	"sync"
	"sync/atomic"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// outState is what an output has gone through. Guarded by output.mu.
type outState uint16

const (
	outTouched outState = 1 << iota // a turn will flush it
	outWriting                      // somebody has the write turn
	outBlocked                      // the socket is full: the owner is told when not
	outEnding                       // nothing more is appended
	outClosed                       // the owner has ended the connection
	outAbove                        // went above the low-water mark, and is not below yet
	outPressed                      // holds its feeders back, until pressEnd
	outSlow                         // did not drain in time: QoS 0 is dropped
	outGreeted                      // the broker has appended CONNACK
	outShut                         // our side of the socket is shut
)

// marks are the levels of an output, in bytes. All outputs of a Server share them.
type marks struct {
	low  int // below: the broker sends on
	soft int // above: QoS 0 presses back, or is dropped
	hard int // above: QoS 0 is dropped, whoever sends it
}

// output is what waits for one socket. It is shared: see the package's doc.
type output struct {
	mu    sync.Mutex
	queue chunks
	size  int      // bytes in queue
	rare  *outRare // nil while none of it is needed
	// maxPacket is the client's Maximum Packet Size, 0 for none; aliasMax its
	// Topic Alias Maximum. Both are set before the broker knows the connection.
	maxPacket uint32
	aliasMax  uint16
	state     outState
	// control is how many bytes of the queue came through Send, to within a chunk.
	control int32
	// moved counts the writes that made progress.
	moved uint32
	// sent counts the PUBLISH packets.
	sent uint64
	// later is what Flush posts to the owner when it has let the lock go.
	later   ops
	version mqtt.Version
	// over says that size is above the soft mark (until it is below the low
	// one). It is read without the lock, by loops that feed other connections.
	over atomic.Bool
}

// outRare is what few outputs ever need.
type outRare struct {
	cause error // why writing failed
	// pressEnd is when a pressed output becomes slow, in ticks of the turn's
	// clock (UNIX nanoseconds).
	pressEnd int64
	aliases  *outAliasTable
}

// rarely returns the output's outRare, made where there was none. The caller holds mu.
func (o *output) rarely() *outRare {
	if o.rare == nil {
		o.rare = &outRare{}
	}
	return o.rare
}

// failure is why writing failed, or nil. The caller holds mu.
func (o *output) failure() error {
	if o.rare == nil {
		return nil
	}
	return o.rare.cause
}

var (
	errControlOutput = &mqtt.Error{Code: mqtt.QuotaExceeded, Reason: "acknowledgements are not read"}
	errWriteTimeout  = errors.New("output makes no progress")
)

// touch has the connection flushed at the end of t. The caller holds out.mu.
func (c *Conn) touch(t *broker.Turn) {
	if c.out.state&outTouched == 0 {
		c.out.state |= outTouched
		t.Touch(c)
	}
}

// grown notes that the output holds more. The caller holds out.mu.
func (c *Conn) grown(n int) {
	o := &c.out
	o.size += n
	if m := &c.loop.marks; o.size > m.low {
		o.state |= outAbove
		if o.size >= m.soft && !o.over.Load() {
			o.over.Store(true)
		}
	}
}

// Send appends whole control packets. See broker.Outlet.
func (c *Conn) Send(t *broker.Turn, packets []byte) {
	o := &c.out
	o.mu.Lock()
	if o.state&(outEnding|outClosed) == 0 {
		o.state |= outGreeted
		c.appendControl(t, packets)
	}
	o.mu.Unlock()
}

// appendControl appends b, unless a client that does not read its answers has let
// too many pile up: then the connection ends. The caller holds out.mu.
func (c *Conn) appendControl(t *broker.Turn, b []byte) {
	o := &c.out
	// What waits is looked at, not what comes: one large answer is always taken.
	if o.control > controlBytes {
		c.failOutput(errControlOutput)
		c.touch(t)
		return
	}
	ch := o.queue.reserve(len(b))
	ch.w += copy(ch.mem[ch.w:], b)
	ch.control += len(b)
	o.control += int32(len(b))
	c.grown(len(b))
	c.touch(t)
}

// failOutput has the owner end the connection for cause, without waiting for its
// output. The caller holds out.mu, and flushes.
func (c *Conn) failOutput(cause error) {
	if c.out.failure() == nil {
		c.out.rarely().cause = cause
	}
	c.out.state |= outEnding
	c.out.later |= opFail
}

// End makes the connection close after its output. See broker.Outlet.
func (c *Conn) End(t *broker.Turn, code mqtt.ReasonCode, reason string) {
	o := &c.out
	o.mu.Lock()
	if o.state&(outEnding|outClosed) == 0 {
		// Before CONNACK the server sends no DISCONNECT [MQTT-3.14.0-1].
		if o.state&outGreeted != 0 {
			c.appendDisconnect(t, code, reason)
		}
		o.state |= outEnding // [MQTT-3.14.4-1]
		o.later |= opEnd
		c.touch(t)
	}
	o.mu.Unlock()
}

// appendDisconnect appends a DISCONNECT to an MQTT 5 client; others know none. The
// caller holds out.mu.
func (c *Conn) appendDisconnect(t *broker.Turn, code mqtt.ReasonCode, reason string) {
	o := &c.out
	if o.version != mqtt.V5 {
		return
	}
	p := mqtt.Disconnect{Code: code}
	if reason != "" {
		p.Reason = []byte(reason)
	}
	// [MQTT-3.14.2-3] [MQTT-3.1.2-24]
	if o.maxPacket == 0 || p.Fit(mqtt.V5, int(o.maxPacket)) {
		var room [128]byte
		c.appendControl(t, p.Append(room[:0], mqtt.V5))
	}
}

// settle does what follows from the output having shrunk by n bytes. The caller
// holds out.mu.
func (c *Conn) settle(n int) {
	o := &c.out
	o.size -= n
	o.control -= int32(o.queue.drop(n))
	o.moved++
	if o.state&outAbove != 0 && o.size <= c.loop.marks.low {
		o.later |= opDrained
		if o.state&outPressed != 0 {
			o.later |= opRelieve
		}
		o.state &^= outAbove | outPressed | outSlow
		o.over.Store(false)
	}
}
