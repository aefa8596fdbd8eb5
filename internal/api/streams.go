package api

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// Streams is what streams of events need of the broker: a stream is a connection like
// any other, so that rights, limits and blocking act on it in the same way [EXT-REST-8].
type Streams interface {
	// NewTurn returns a Turn for one more loop.
	NewTurn() *broker.Turn
	// Connect attaches a connection to its session.
	Connect(t *broker.Turn, r *broker.ConnectRequest, done func(*broker.Turn, broker.Connected, error))
}

const streamPath = "/mqtt/stream"

// streams are those that are open.
type streams struct {
	broker Streams
	ending chan struct{} // closed when they shall end

	mu    sync.Mutex
	ended bool
	open  map[auth.AccountID]int
}

func (x *streams) init(b Streams) {
	x.broker, x.ending, x.open = b, make(chan struct{}), make(map[auth.AccountID]int)
}

// enter counts a stream of an account; false where it has too many.
func (x *streams) enter(account auth.AccountID) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended || x.open[account] >= maxStreams {
		return false
	}
	x.open[account]++
	return true
}

func (x *streams) leave(account auth.AccountID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.open[account]--; x.open[account] == 0 {
		delete(x.open, account)
	}
}

// Close ends the streams of events, so that the HTTP server can end.
func (s *server) Close() error {
	x := &s.streams
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.ended {
		x.ended = true
		close(x.ending)
	}
	return nil
}

func (s *server) registerStreams() {
	op := operation{"stream-messages", http.MethodGet, streamPath + "/{filter}", "Stream messages as Server-Sent Events", tokenRight}
	o := op.declare()
	o.Description = "Retained messages first, as for a subscription of QoS 0, then live ones: each is an event whose data is a " +
		"message as in GET /mqtt/messages, and whose id is its timestamp. A reader that is too slow loses messages, and gets an event `dropped` " +
		"with their `count`. An event `end` with `code` and `reason` is the last, where the broker ends the stream. " +
		"While it is open the stream is a session whose transport is sse. With x-flespi-cid only messages of that account come."
	o.Responses = map[string]*huma.Response{"200": {
		Description: "The stream",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	huma.Register(s.api, o, s.getStream)
}

// getStream answers with a stream, once the request itself is found good.
func (s *server) getStream(ctx context.Context, in *TopicPath) (*huma.StreamResponse, error) {
	c := callerOf(ctx)
	if c.transport != "http" {
		return nil, fail(http.StatusBadRequest, "a stream is not to be had by MQTT: subscribe")
	}
	f, err := topic.Parse(strings.TrimPrefix(in.Filter, foldMark), 0)
	switch {
	case err != nil:
		return nil, fieldFault("filter", strings.TrimPrefix(err.Error(), "topic: "))
	case c.grant.MayREST(auth.GET, f) == auth.None:
		return nil, fail(http.StatusForbidden, "filter: the token has no access to these topics")
	case !s.streams.enter(c.grant.Account):
		return nil, fail(http.StatusTooManyRequests, "the account has too many streams")
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer s.streams.leave(c.grant.Account)
		s.stream(hc, c, f.Text)
	}}, nil
}

// stream connects, subscribes, and writes events until either side ends it.
func (s *server) stream(hc huma.Context, c *caller, filter string) {
	out := hc.BodyWriter().(http.ResponseWriter)
	o := newStreamOutlet(http.NewResponseController(out))
	_ = o.control.SetReadDeadline(time.Time{}) // it was for the request; its end would end the stream
	o.remote, _ = netip.ParseAddrPort(hc.RemoteAddr())
	o.turn = s.streams.broker.NewTurn()
	var idle sync.WaitGroup
	idle.Go(o.run)
	defer idle.Wait()
	defer o.stop()
	if err := o.open(s.streams.broker, c, filter); err != nil {
		e := describeMessage(err)
		huma.WriteErr(s.api, hc, e.Code, e.Reason)
		return
	}
	hc.SetHeader("Content-Type", "text/event-stream")
	hc.SetHeader("X-Accel-Buffering", "no") // proxies that gather would hold events back
	hc.SetStatus(http.StatusOK)
	w := &eventWriter{out: out, outlet: o}
	w.buf.WriteString("retry: " + strconv.FormatInt(streamRetry.Milliseconds(), 10) + "\n\n")
	w.run(hc.Context(), s.streams.ending)
}

// open connects the stream and subscribes it.
func (o *streamOutlet) open(b Streams, c *caller, filter string) error {
	p := &mqtt.Connect{
		Version: mqtt.V5, CleanStart: true, ClientID: []byte("sse-" + strings.ToLower(rand.Text())), Props: mqtt.NewConnectProps(),
	}
	connected := make(chan error, 1)
	o.Post(func(t *broker.Turn) {
		r := &broker.ConnectRequest{Packet: p, Grant: c.grant, Outlet: o, Reading: true}
		b.Connect(t, r, func(_ *broker.Turn, done broker.Connected, err error) {
			o.link = done.Link
			connected <- err
		})
	})
	if err := <-connected; err != nil {
		return err
	}
	subscribe := &mqtt.Subscribe{PacketID: 1}
	subscribe.Add(filter, mqtt.SubscribeOptions{RetainAsPublished: true})
	if c.account != c.grant.Account {
		subscribe.User = mqtt.AppendUser(subscribe.User, "cid", number(c.account))
	}
	o.Post(func(t *broker.Turn) {
		if err := o.link.Subscribe(t, subscribe); err != nil {
			o.End(t, mqtt.UnspecifiedError, err.Error())
		}
	})
	return o.subscribed()
}

func number(id auth.AccountID) string { return strconv.FormatInt(int64(id), 10) }

// subscribed waits for the SUBACK.
func (o *streamOutlet) subscribed() error {
	<-o.answered
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refusal != nil {
		return o.refusal
	}
	return nil
}
