package server

import (
	"errors"
	"io"
	"math"
	"sync/atomic"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// connState is how far a connection has come. Input is decoded before
// stateClosing only.
type connState uint8

const (
	stateProxy   connState = iota // a PROXY header comes first
	stateNew                      // CONNECT comes first
	stateAuth                     // AUTH packets go to and fro, before CONNACK
	statePending                  // the broker has the CONNECT
	stateUp                       // attached to a session
	stateClosing                  // input is thrown away, output goes out
	stateClosed
)

// holds are the reasons why a connection is not read. While there is one, its
// keep-alive does not run, and a hang-up is noticed all the same.
type holds uint8

const (
	holdConnect holds = 1 << iota // until the broker has answered CONNECT
	holdDisk                      // too much waits for the disk
	holdPress                     // a receiver of what it publishes is full
	holdAnswers                   // too many of its answers wait
	holdLaden                     // until its account's next turn: its messages are dear
	holdRate                      // its account publishes more than it may in a minute
)

// ops are what others ask of a connection's owner.
type ops uint8

const (
	opArm     ops = 1 << iota // wait for room in the socket
	opWake                    // Link.Ripe
	opDrained                 // Link.Drained
	opEnd                     // the output is ending, or has gone out
	opFail                    // writing failed: out.failure
	opGone                    // the write turn was given back after the end
	opRelieve                 // not for the owner: feeders may go on
)

// Transports, as sessions show them.
const (
	transportTCP uint8 = iota
	transportTLS
	transportWS
	transportWSS
	transportUnix
)

var transportNames = [...]string{"tcp", "tls", "ws", "wss", "unix"}

// Conn is one MQTT connection. Everything but out and ops is its loop's.
type Conn struct {
	loop *loop
	link broker.Link
	more *connMore // nil while none of it is needed
	wrap *wrap     // TLS and WebSocket, nil for plain MQTT
	// tail is what was read and could not be handled yet: the beginning of a
	// packet, or, while there is a hold, all that came.
	tail   *tail
	timer  timer
	remote endpoint
	sock   socket

	// account is whose lane it waits in: 0 until it is known.
	account auth.AccountID

	place
	deadlines
	ops     atomic.Uint32
	state   connState
	holds   holds
	wants   interest // what the poller knows
	pending interest // what waits in the account's lane
	moment
	transport uint8
	waits     waits

	out output
}

// connMore is what few connections ever need.
type connMore struct {
	stuck   uint32          // the tick since when the output stands still
	moved   uint32          // output.moved at that time
	auth    *authentication // enhanced authentication, nil without
	aliases *aliasTable     // of the client, nil until it uses one
}

// rarely returns the connection's connMore, made where there was none.
func (c *Conn) rarely() *connMore {
	if c.more == nil {
		c.more = &connMore{}
	}
	return c.more
}

// authentication is the connection's enhanced authentication, nil without one.
func (c *Conn) authentication() *authentication {
	if c.more == nil {
		return nil
	}
	return c.more.auth
}

// place is where a Conn stands in its loop's slots.
type place struct{ slot, gen uint32 }

// deadlines are what the deadlines of a Conn follow from, in ticks of its loop.
type deadlines struct {
	keepAlive uint32 // one and a half times the Keep Alive, 0 for none
	heard     uint32 // when the client was last heard
	begun     uint32 // when the packet in tail began, 0 for none
	by        uint32 // the end of the state
	timed     uint32 // what the wheel has it for, 0 for nothing
}

// moment is what a Conn is in the midst of.
type moment struct {
	armed   bool // waits for room in the socket
	calling bool // is inside of broker.Connect
	leaving bool // the peer has hung up while it was held back by its rate
	lingers bool // counts in loop.lingering
	unread  bool // reading stopped before the socket was empty
}

var (
	errPeerClosed     = errors.New("the peer has closed the connection")
	errConnectTimeout = errors.New("no complete CONNECT in time")
	errSlowPacket     = &mqtt.Error{Code: mqtt.ImplementationSpecificError, Reason: "a packet comes too slowly"}
	errKeepAlive      = &mqtt.Error{Code: mqtt.KeepAliveTimeout}
	errShutdown       = &mqtt.Error{Code: mqtt.ServerShuttingDown}
	errEnded          = errors.New("ended by the broker")
)

// post asks something of the owner.
func (c *Conn) post(what ops) {
	if c.ops.Or(uint32(what)) == 0 {
		c.loop.leave(c, nil)
	}
}

// Wake has Link.Ripe called soon. See broker.Outlet.
func (c *Conn) Wake() { c.post(opWake) }

// Post runs f on the owning loop. See broker.Outlet.
func (c *Conn) Post(f func(t *broker.Turn)) { c.loop.leave(nil, f) }

// open makes c one of the loop's connections. first is what was read of it before.
func (l *loop) open(t *broker.Turn, c *Conn, first []byte) {
	if l.stage != stageRunning {
		c.state = stateClosed
		c.closeSocket()
		return
	}
	l.slots.put(c)
	l.stats.accepted.Add(1)
	c.heard = l.tick
	c.by = l.tick + ticks(l.srv.cfg.Limits.ConnectTimeout)
	c.arm()
	if err := l.poll.watch(c, wantRead); err != nil {
		c.lost(t, err)
		return
	}
	if len(first) > 0 {
		c.received(t, first)
	}
	if c.wrap != nil {
		c.unread = true // TLS may have decrypted more than it has told
		c.goOn()
	}
}

// makeReady has c read when its account's turn comes, whatever the system says.
func (l *loop) makeReady(c *Conn) {
	if c.state != stateClosed {
		l.await(c, again)
	}
}

// handleOps does what others have asked for.
func (c *Conn) handleOps(t *broker.Turn, what ops) {
	if c.state == stateClosed {
		if what&opGone != 0 {
			c.closeSocket()
		}
		return
	}
	if what&opFail != 0 {
		c.out.mu.Lock()
		cause := c.out.failure()
		c.out.mu.Unlock()
		c.lost(t, cause)
		return
	}
	if what&opArm != 0 {
		c.armWrite()
	}
	if what&opEnd != 0 {
		c.finish(t, errEnded)
		c.shut()
	}
	if what&opWake != 0 {
		c.link.Ripe(t)
		if c.holds&holdAnswers != 0 && !c.link.Behind() {
			c.unhold(t, holdAnswers)
		}
	}
	if what&opDrained != 0 {
		c.link.Drained(t)
	}
}

// late is handleOps once the loop has gone.
func (c *Conn) late() {
	if ops(c.ops.Swap(0))&opGone != 0 {
		c.closeSocket()
	}
}

// input handles what the system says about the socket beside that it has room.
func (c *Conn) input(t *broker.Turn, what interest) {
	if c.holds == 0 {
		c.readable(t, what&(wantHangup|sawHangup|sawError) != 0)
		return
	}
	switch {
	case what&sawError != 0:
		c.lost(t, errPeerClosed)
	case what&(sawHangup|wantHangup) != 0 && c.holds&holdRate != 0:
		c.leaving = true
		c.unhold(t, holdRate)
	case what&sawHangup != 0:
		// There may be bytes to read before the end: later.
		c.loop.poll.forget(c)
	case what&wantHangup != 0:
		c.watch(0)
	default:
		c.watch(wantHangup)
	}
}

// watch tells the poller what is wanted beside room in the socket.
func (c *Conn) watch(want interest) {
	if c.armed {
		want |= wantWrite
	}
	_ = c.loop.poll.watch(c, want)
}

// hold stops reading for a reason. The poller is told when the next event comes:
// most holds end before.
func (c *Conn) hold(why holds) { c.holds |= why }

// unhold ends a hold, and goes on where the connection stopped if it was the last.
func (c *Conn) unhold(t *broker.Turn, why holds) {
	if c.holds&why == 0 {
		return
	}
	if c.holds &^= why; c.holds != 0 || c.state >= stateClosing {
		return
	}
	// The client may have been talking all the time.
	c.heard = c.loop.tick
	if c.begun != 0 {
		c.begun = c.loop.tick
	}
	c.arm()
	c.watch(wantRead)
	c.resume(t)
}

// resume handles what came before and during a hold.
func (c *Conn) resume(t *broker.Turn) {
	if rest := c.tail; rest != nil {
		c.tail = nil
		c.loop.feeding = c
		c.feed(t, rest.b)
		c.loop.feeding = nil
		c.loop.tails.put(rest)
	}
	if c.wrap != nil && c.holds == 0 && c.state < stateClosing {
		if ws := c.wrap.ws; ws != nil {
			if b := ws.rest; len(b) > 0 {
				ws.rest = nil
				c.received(t, b)
			}
		}
	}
	c.goOn()
}

// goOn has what was left unread read when there is no hold any more.
func (c *Conn) goOn() {
	if c.unread && c.holds == 0 {
		c.loop.makeReady(c)
	}
}

// readable reads what has come, up to a budget; to the end, where that has come.
func (c *Conn) readable(t *broker.Turn, end bool) {
	l := c.loop
	c.unread = true
	for budget := readBudget; budget > 0; {
		if c.state == stateClosed || c.holds != 0 {
			return
		}
		n, err := c.read(l.buf)
		if n > 0 {
			budget -= n
			l.stats.bytesIn.Add(uint64(n))
			c.heard = l.tick
			c.received(t, l.buf[:n])
		}
		switch {
		case err == errAgain:
			c.unread = false
			return
		case err != nil:
			c.ended(t, err)
			return
		case n < len(l.buf) && !end && c.wrap.direct():
			c.unread = false // what comes from now on is told
			return
		}
	}
	c.goOn()
}

func (c *Conn) read(b []byte) (int, error) {
	if c.wrap.direct() {
		return c.sock.read(b)
	}
	return c.wrap.tls.read(c, b)
}

// received passes input on, to be taken out of its frames and decoded.
func (c *Conn) received(t *broker.Turn, b []byte) {
	if c.state >= stateClosing {
		return
	}
	c.loop.feeding = c
	if c.wrap != nil && c.wrap.ws != nil {
		c.feedFrames(t, b)
	} else {
		c.feed(t, b)
	}
	c.loop.feeding = nil
}

// ended handles the end of the input.
func (c *Conn) ended(t *broker.Turn, err error) {
	if c.state == stateClosing && err == io.EOF && c.unsent() {
		c.watch(0) // it has shut its side only: what we owe still goes out
		return
	}
	if err == io.EOF {
		err = errPeerClosed
	}
	c.lost(t, err)
}

func (c *Conn) unsent() bool {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.waiting() && c.out.failure() == nil
}

// writable goes on writing where the socket was full.
func (c *Conn) writable() {
	o := &c.out
	o.mu.Lock()
	o.state &^= outBlocked
	o.mu.Unlock()
	c.flush(math.MaxInt, c.loop.share)
	o.mu.Lock()
	blocked := o.state&outBlocked != 0
	o.mu.Unlock()
	switch {
	case !c.armed || c.state == stateClosed:
	case blocked:
		c.loop.poll.remind(c) // perhaps only its share was up
	default:
		c.armed = false
		c.watch(c.wants &^ wantWrite)
	}
}

// armWrite has the system tell when the socket has room.
func (c *Conn) armWrite() {
	o := &c.out
	o.mu.Lock()
	blocked, moved := o.state&outBlocked != 0, o.moved
	o.mu.Unlock()
	if !blocked || c.armed {
		return
	}
	c.armed = true
	x := c.rarely()
	x.stuck, x.moved = c.loop.tick, moved
	c.watch(c.wants)
	c.arm()
}
