package broker_test

import (
	"context"
	"sync"

	"alcove/internal/broker"
)

func init() {
	commands["rest"] = (*scenario).cmdREST // rest serve|hold|release: who serves published requests, and whether they wait
}

// scriptedREST serves requests: it says what it was asked, and answers with that.
type scriptedREST struct {
	s    *scenario
	mu   sync.Mutex
	hold chan struct{} // closed where requests need not wait
}

func (x *scriptedREST) Serve(ctx context.Context, r *broker.Request) (int, []byte) {
	x.mu.Lock()
	hold := x.hold
	x.mu.Unlock()
	select {
	case <-hold:
	case <-ctx.Done():
		return 503, []byte("late")
	}
	token := "?"
	for name, id := range x.s.tokens {
		if id == r.Token {
			token = name
		}
	}
	x.s.say("served %s %s by=%s from=%s in=%q body=%s", r.Method, r.URI, token, r.Source, r.ActingIn, r.Body)
	if r.URI == "large" {
		return 200, make([]byte, 5<<20)
	}
	return 200, append([]byte(r.URI+":"), r.Body...)
}

var scripted = map[*scenario]*scriptedREST{}

func (s *scenario) cmdREST(a *args) {
	x := scripted[s]
	if x == nil {
		x = &scriptedREST{s: s, hold: make(chan struct{})}
		close(x.hold)
		scripted[s] = x
	}
	switch a.word(0) {
	case "serve":
		s.broker.ServeRequests(x)
	case "hold":
		x.mu.Lock()
		x.hold = make(chan struct{})
		x.mu.Unlock()
	case "release":
		close(x.hold)
	}
}
