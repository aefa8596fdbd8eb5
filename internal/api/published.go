package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// Requests returns what serves REST requests that clients publish, by the handler that
// New made: they take the same way as those of HTTP, but for who asks, which is the
// connection's token as it stands now [EXT-REST-9].
func Requests(h http.Handler) broker.Requests { return published{h} }

type published struct{ handler http.Handler }

type publisherKey struct{}

// publisherOf returns the token on whose connection the request was published.
func publisherOf(ctx context.Context) (auth.TokenID, bool) {
	id, ok := ctx.Value(publisherKey{}).(auth.TokenID)
	return id, ok
}

// Serve implements broker.Requests.
func (p published) Serve(ctx context.Context, r *broker.Request) (status int, body []byte) {
	u, err := url.ParseRequestURI("/" + r.URI)
	if err != nil {
		return failed(http.StatusBadRequest, "the URI is malformed")
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if r.ActingIn != "" {
		header.Set("x-flespi-cid", r.ActingIn)
	}
	request := &http.Request{
		Method: r.Method, URL: u, RequestURI: u.RequestURI(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader(r.Body)), ContentLength: int64(len(r.Body)),
		RemoteAddr: r.Source,
	}
	w := &memoryAnswer{header: http.Header{}}
	defer func() {
		// As net/http does for one request.
		if recover() != nil {
			status, body = failed(http.StatusServiceUnavailable, "the request has failed")
		}
	}()
	p.handler.ServeHTTP(w, request.WithContext(context.WithValue(ctx, publisherKey{}, r.Token)))
	if w.tooLarge {
		return failed(http.StatusRequestEntityTooLarge, "the answer is too large for a message: ask for a page of it")
	}
	return max(w.status, http.StatusOK), bytes.TrimSuffix(w.body.Bytes(), []byte("\n"))
}

func failed(status int, reason string) (int, []byte) {
	b, _ := json.Marshal(fail(status, reason))
	return status, b
}

// memoryAnswer is an http.ResponseWriter that keeps at most maxPublished bytes.
type memoryAnswer struct {
	header   http.Header
	status   int
	body     bytes.Buffer
	tooLarge bool
}

var errTooLarge = errors.New("the answer is too large")

// Header implements http.ResponseWriter.
func (w *memoryAnswer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter: the first status counts.
func (w *memoryAnswer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write keeps b.
func (w *memoryAnswer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.body.Len()+len(b) > maxPublished {
		w.tooLarge = true
		return 0, errTooLarge
	}
	return w.body.Write(b)
}
