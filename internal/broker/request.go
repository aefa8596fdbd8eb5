package broker

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// Request is a REST request that a client has published [EXT-REST-9].
type Request struct {
	// Token is the connection's; whoever serves the request asks whether it still
	// stands, at Source.
	Token auth.TokenID
	// Source is the client's address with its port, empty where the transport has none.
	Source string
	// Method is in upper case, URI without its first slash, with the query.
	Method, URI string
	// ActingIn is the user property x-flespi-cid, "" without one [EXT-REST-3].
	ActingIn string
	Body     []byte
}

// Requests serves the REST requests that clients publish. Serve is called on goroutines
// of the broker's own; it returns an HTTP status and a JSON document, and soon after ctx
// has ended in any case.
type Requests interface {
	Serve(ctx context.Context, r *Request) (status int, body []byte)
}

// ServeRequests sets who serves the requests; until then they are refused.
func (b *Broker) ServeRequests(r Requests) { b.requests.serve.Store(&r) }

// requestLevel is the level behind the reserved one under which requests are published:
// flespi/rest/{method}/{uri}.
const requestLevel = "/rest/"

// requestMethods are those of REST.
var requestMethods = []string{"GET", "POST", "PUT", "PATCH", "DELETE"}

// requestIn tells whether the topic is one of requests, and returns its rest.
func (b *Broker) requestIn(name []byte) (rest []byte, ok bool) {
	level := b.features.ReservedLevel
	if !bytes.HasPrefix(name, []byte(level)) || !bytes.HasPrefix(name[len(level):], []byte(requestLevel)) {
		return nil, false
	}
	return name[len(level)+len(requestLevel):], true
}

// request takes a PUBLISH that is a REST request: it is handed to a worker, and the
// PUBLISH acknowledged. The token needs no right to publish to the topic: what it may do
// by REST decides [EXT-REST-9].
func (s *Session) request(t *Turn, a *attachment, p *mqtt.Publish, rest []byte) error {
	if err := topic.CheckName(p.Topic, t.b.limits.MaximumLevels); err != nil {
		return s.refused(t, a, p, mqtt.TopicNameInvalid, err.Error())
	}
	method, uri, _ := strings.Cut(string(rest), "/")
	w := &work{b: t.b, ns: s.ns, clientID: s.clientID, qos: p.QoS}
	w.r = Request{Token: a.grant.Token, Method: strings.ToUpper(method), URI: uri}
	if !isRequestMethod(w.r.Method) || uri == "" {
		return s.refused(t, a, p, mqtt.TopicNameInvalid, "a request is published to "+t.b.features.ReservedLevel+"/rest/{method}/{uri}")
	}
	if code, reason := w.answerTo(a, p); code.Failed() {
		return s.refused(t, a, p, code, reason)
	}
	w.r.Source, _ = a.peer()
	if v, ok := p.Props.User.Get("x-flespi-cid"); ok {
		w.r.ActingIn = string(v)
	}
	w.r.Body = bytes.Clone(p.Payload)
	if !t.b.requests.take(w) {
		if w.topic == "" || a.version == mqtt.V5 && p.QoS > 0 {
			code := mqtt.ImplementationSpecificError // which 3.x clients are not told
			if a.version == mqtt.V5 {
				code = mqtt.QuotaExceeded
			}
			return s.refused(t, a, p, code, errRequests)
		}
		w.answer(t, 429, []byte(`{"errors":[{"code":429,"reason":"`+errRequests+`"}]}`))
	}
	s.requested(t, a, p)
	return nil
}

const errRequests = "too many REST requests of the account wait"

func isRequestMethod(method string) bool {
	for _, m := range requestMethods {
		if m == method {
			return true
		}
	}
	return false
}

// requested acknowledges a request.
func (s *Session) requested(t *Turn, a *attachment, p *mqtt.Publish) {
	if p.QoS == mqtt.QoS0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.Load() != a {
		return
	}
	x := answer{typ: mqtt.TypePuback, pid: p.PacketID}
	if p.QoS == mqtt.QoS2 {
		x.typ = mqtt.TypePubrec
		if durable, sync := s.durable(); durable { // a repetition is none after a crash either
			x.ticket = s.record(t, sync, Record{Kind: KindReceived, PacketID: p.PacketID})
		}
	}
	s.answer(t, a, x)
}

// work is a request on its way, and where its answer goes.
type work struct {
	b        *Broker
	ns       *Namespace
	r        Request
	clientID string
	qos      mqtt.QoS
	topic    string // of the answer; "" for none
	forward  []byte // properties of the answer, but for its status
}

// answerTo notes the Response Topic and the Correlation Data. The answer is published
// with the client's own rights; a client that names no Response Topic gets none.
func (w *work) answerTo(a *attachment, p *mqtt.Publish) (mqtt.ReasonCode, string) {
	if !p.Props.HasResponseTopic {
		return mqtt.Success, ""
	}
	name := p.Props.ResponseTopic
	if err := topic.CheckName(name, w.b.limits.MaximumLevels); err != nil {
		return mqtt.TopicNameInvalid, "Response Topic: " + err.Error()
	}
	if reason := w.b.reserved(name); reason != "" {
		return mqtt.TopicNameInvalid, "Response Topic: " + reason
	}
	if !a.rights.MayPublish(name) {
		return mqtt.NotAuthorized, "the token may not publish to the Response Topic"
	}
	w.topic = string(name)
	props := mqtt.PublishProps{
		PayloadFormat: 1, HasPayloadFormat: true,
		ContentType: []byte("application/json"), HasContentType: true,
		CorrelationData: p.Props.CorrelationData, HasCorrelationData: p.Props.HasCorrelationData,
	}
	w.forward = props.AppendForward(nil)
	return mqtt.Success, ""
}

// size is what the request keeps in memory.
func (w *work) size() int64 {
	return int64(len(w.r.Body)+len(w.r.URI)+len(w.topic)+len(w.forward)) + messageOverhead
}

// answer publishes the answer, where the client wanted one and still may.
func (w *work) answer(t *Turn, status int, body []byte) {
	if w.topic == "" {
		return
	}
	g, err := t.b.directory.Standing(w.r.Token, t.Now)
	if err != nil || g.Account != w.ns.account || !g.Rights(w.clientID).MayPublish([]byte(w.topic)) {
		return
	}
	m := &Message{
		Topic: []byte(w.topic), Payload: body, QoS: w.qos,
		Forward: mqtt.AppendUser(w.forward, "status", strconv.Itoa(status)),
		Account: w.ns.account, Top: w.ns.top, Token: w.r.Token,
	}
	from := t.from
	t.from = nil
	t.publish(w.ns, m.MarkKept())
	t.from = from
}

// requests bounds the REST requests that wait or are at work, by account and in all.
type requests struct {
	serve  atomic.Pointer[Requests]
	ctx    context.Context
	cancel context.CancelFunc
	turns  chan struct{} // one for each at work
	idle   sync.WaitGroup

	mu       sync.Mutex
	bytes    int64
	accounts map[auth.AccountID]*asking // those that ask now
}

// asking is what one account asks for now.
type asking struct {
	waiting []*work
	working int
	bytes   int64
}

func newRequests() *requests {
	r := &requests{turns: make(chan struct{}, requestTurns), accounts: make(map[auth.AccountID]*asking)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// close ends what is under way; nothing is taken any more.
func (r *requests) close() {
	r.cancel()
	r.mu.Lock()
	for _, x := range r.accounts {
		x.waiting = nil
	}
	r.mu.Unlock()
	r.idle.Wait()
}

// take takes a request, or tells that too many wait.
func (r *requests) take(w *work) bool {
	size := w.size()
	r.mu.Lock()
	defer r.mu.Unlock()
	x := r.accounts[w.ns.account]
	if x == nil {
		x = &asking{}
	}
	switch {
	case r.ctx.Err() != nil || r.serve.Load() == nil:
		return false
	case len(x.waiting) >= requestsWaiting || r.bytes+size > requestBytes:
		return false
	case x.bytes+size > requestBytesEach && x.bytes > 0:
		return false
	}
	r.accounts[w.ns.account] = x
	r.bytes += size
	x.bytes += size
	if x.working < requestsEach {
		x.working++
		r.idle.Add(1)
		go r.run(x, w)
		return true
	}
	x.waiting = append(x.waiting, w)
	return true
}

// run serves one request after another for an account, until none of it waits.
func (r *requests) run(x *asking, w *work) {
	defer r.idle.Done()
	for w != nil {
		select {
		case r.turns <- struct{}{}:
			w.serve()
			<-r.turns
		case <-r.ctx.Done():
		}
		w = r.next(x, w)
	}
}

// next gives back what w has taken, and returns the next request of its account.
func (r *requests) next(x *asking, w *work) (next *work) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes -= w.size()
	x.bytes -= w.size()
	if len(x.waiting) > 0 {
		next, x.waiting = x.waiting[0], x.waiting[1:]
		return next
	}
	if x.working--; x.working == 0 {
		delete(r.accounts, w.ns.account)
	}
	return nil
}

// serve serves the request and publishes its answer.
func (w *work) serve() {
	ctx, cancel := context.WithTimeout(w.b.requests.ctx, requestTime)
	defer cancel()
	status, body := (*w.b.requests.serve.Load()).Serve(ctx, &w.r)
	if len(body) > requestAnswer {
		status, body = 413, []byte(`{"errors":[{"code":413,"reason":"the answer is too large for a message: ask for a page of it"}]}`)
	}
	w.b.do(func(t *Turn) { w.answer(t, status, body) })
}

// Bounds of REST over MQTT.
const (
	// requestTurns requests are served at a time, requestsEach of one account;
	// requestsWaiting of it wait.
	requestTurns    = 32
	requestsEach    = 4
	requestsWaiting = 100
	// requestBytes and requestBytesEach bound what all of them, and those of one
	// account, keep in memory; one may always be under way.
	requestBytes     = 256 << 20
	requestBytesEach = 32 << 20
	// requestTime is how long one may take.
	requestTime = 30 * time.Second
	// requestAnswer bounds an answer, in bytes.
	requestAnswer = 4 << 20
)
