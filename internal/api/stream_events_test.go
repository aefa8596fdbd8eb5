package api

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// page is an answer that is read while it is written.
type page struct {
	header http.Header
	mu     sync.Mutex
	body   strings.Builder
}

func (p *page) Header() http.Header { return p.header }
func (p *page) WriteHeader(int)     {}
func (p *page) Flush()              {}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.body.Write(b)
}

func (p *page) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.body.String()
}

// TestEventWriter: what goes out of a stream, and when [EXT-REST-8].
func TestEventWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &page{header: http.Header{}}
		o := newStreamOutlet(http.NewResponseController(out))
		ctx, cancel := context.WithCancel(t.Context())
		ending, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			(&eventWriter{out: out, outlet: o}).run(ctx, ending)
		}()
		seen := 0
		wrote := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := out.text()[seen:]; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			seen = len(out.text())
		}
		wrote("")
		time.Sleep(2*streamIdle + time.Second)
		wrote(strings.Repeat(": still here\n\n", 2))
		m := &broker.Message{Topic: []byte("a"), Payload: []byte("1\n2"), Stamp: 1_600_000_000_250_000, Account: 7, Token: 9}
		m.MarkKept()
		send := func(m *broker.Message) broker.Outcome { return o.Deliver(nil, &broker.Delivery{Message: m}) }
		send(m)
		wrote("id: 1600000000.250000\ndata: {\"topic\":\"a\",\"payload\":\"1\\n2\",\"timestamp\":1600000000.250000,\"cid\":7,\"token_id\":9,\"qos\":0,\"retain\":false}\n\n")
		stale := (&broker.Message{Topic: []byte("a"), Expires: time.Now().UnixNano()}).MarkKept()
		send(stale)
		wrote("") // what has expired by now is not sent [MQTT-3.3.2-5]
		time.Sleep(streamIdle / 2)
		send(m)
		synctest.Wait()
		seen = len(out.text())
		time.Sleep(streamIdle * 3 / 4)
		wrote("") // quiet counts from the last event
		o.End(nil, mqtt.NotAuthorized, "the token is gone")
		if send(m) != broker.Gone {
			t.Error("something was taken after the end")
		}
		wrote("event: end\ndata: {\"code\":403,\"reason\":\"the token is gone\"}\n\n")
		<-done
		cancel()
	})
}
