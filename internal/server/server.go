package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// Server serves MQTT clients, and HTTP on the ports that it shares with WebSocket.
type Server struct {
	cfg       Config
	broker    *broker.Broker
	directory *auth.Directory
	rest      http.Handler
	log       *slog.Logger
	noise     noise
	started   time.Time // tick 0
	certs     *certificates
	limits    broker.Limits // what the broker announces
	admission admission

	loops []*loop
	next  atomic.Uint32 // round robin over loops
	live  atomic.Int64  // connections, and sockets on their way to become one

	door door

	life struct {
		sync.Mutex
		running bool
		stopped bool
	}
}

// New makes a Server for b, whose clients d knows. rest answers the HTTP requests
// that are no WebSocket; nil answers them with 404. Nothing listens yet.
//
// The Server registers itself with b.OnResume.
func New(cfg Config, b *broker.Broker, d *auth.Directory, rest http.Handler) (*Server, error) {
	cfg = cfg.withDefaults()
	if rest == nil {
		rest = http.NotFoundHandler()
	}
	s := &Server{
		cfg:       cfg,
		broker:    b,
		directory: d,
		rest:      rest,
		log:       cfg.Log,
		started:   time.Now(),
		limits:    b.Limits(),
	}
	s.noise.log = cfg.Log
	s.admission.set(cfg.Limits)
	if cfg.MQTTS != Off || cfg.HTTPS != Off {
		certs, err := newCertificates(cfg.TLS, cfg.Log)
		if err != nil {
			return nil, err
		}
		s.certs = certs
	}
	for i := range cfg.Loops {
		l, err := newLoop(s, i)
		if err != nil {
			for _, l := range s.loops {
				l.poll.close()
			}
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	b.OnResume(s.relieve)
	return s, nil
}

// tickOf returns the tick of a time, timeOf when a tick begins. Tick 0 is never.
func (s *Server) tickOf(t time.Time) uint32 { return uint32(t.Sub(s.started)/tickTime) + 1 }

func (s *Server) timeOf(tick uint32) time.Time {
	return s.started.Add(time.Duration(tick-1) * tickTime)
}

// Start begins to serve what Listen has opened.
func (s *Server) Start() error {
	s.life.Lock()
	defer s.life.Unlock()
	if s.life.running || s.life.stopped {
		return errors.New("server: started before")
	}
	s.life.running = true
	for _, l := range s.loops {
		go l.run()
	}
	return s.door.open(s)
}

// Shutdown ends everything: no connection is taken any more, every client is told
// (MQTT 5: DISCONNECT 0x8B), sessions are let go, so that Wills go out, and what
// is in the outputs is written. It returns when all that is done; where ctx ends
// before, the rest is cut short and its error returned. The broker must live on
// until then.
func (s *Server) Shutdown(ctx context.Context) error {
	s.life.Lock()
	running := s.life.running && !s.life.stopped
	first := !s.life.stopped
	s.life.stopped = true
	s.life.Unlock()
	if !first {
		return nil
	}
	polite, cancel := context.WithTimeout(ctx, httpGoodbye)
	s.door.shut(polite)
	cancel()
	if !running {
		for _, l := range s.loops {
			l.poll.close()
		}
		s.door.closeSockets()
		return nil
	}
	for _, l := range s.loops {
		l.leave(nil, l.drain)
	}
	var err error
	for _, l := range s.loops {
		select {
		case <-l.done:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		}
		l.leave(nil, l.abort)
		<-l.done
	}
	s.door.closeSockets()
	return err
}

// drain begins the end of a loop: every client is told and its session let go.
func (l *loop) drain(t *broker.Turn) {
	l.stage = stageDraining
	l.srv.door.unlisten(l)
	for i := range l.slots.at {
		c := l.slots.at[i].c
		switch {
		case c == nil || c.state >= stateClosing:
		case c.state == stateUp:
			c.End(t, errShutdown.Code, "")
			c.finish(t, errShutdown)
		default:
			c.lost(t, errShutdown)
		}
	}
}

// abort ends what is left of a loop.
func (l *loop) abort(t *broker.Turn) {
	for i := range l.slots.at {
		if c := l.slots.at[i].c; c != nil {
			c.lost(t, errShutdown)
		}
	}
}

// relieve has the loops look at the connections that they hold back. It may be
// called from any goroutine.
func (s *Server) relieve() {
	for _, l := range s.loops {
		l.relief.Store(true)
		l.wake()
	}
}

// loopOf returns the loop whose turn t is, nil if it is a worker's.
func (s *Server) loopOf(t *broker.Turn) *loop {
	for _, l := range s.loops {
		if l.turn == t {
			return l
		}
	}
	return nil
}

// runLate runs what was posted to a loop that has gone.
func (s *Server) runLate(call func(*broker.Turn)) {
	t := s.broker.NewTurn()
	t.Begin(time.Now())
	call(t)
	t.End()
}

// enter takes the place of one more connection, if there is one.
func (s *Server) enter() bool {
	if s.live.Add(1) > int64(s.cfg.Limits.Connections) {
		s.live.Add(-1)
		s.noise.say(noiseFull, "too many connections")
		return false
	}
	return true
}

// leave gives the place back.
func (s *Server) leave() { s.live.Add(-1) }

// adopt gives c, which has entered, to a loop. first is what was read of it; on is the
// loop that calls, nil for another goroutine.
func (s *Server) adopt(on *loop, c *Conn, first []byte) {
	l := s.loops[int(s.next.Add(1))%len(s.loops)]
	c.loop = l
	if l == on {
		l.open(l.turn, c, first)
		return
	}
	l.leave(nil, func(t *broker.Turn) { l.open(t, c, first) })
}
