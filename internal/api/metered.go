package api

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
)

// traffic is the bytes of one request and its answer. Until the caller is known they
// gather; then they go to the account's meter as they come, as of a stream without an
// end.
type traffic struct {
	account *meter
	gone    int // counted, and nobody's yet
}

func (t *traffic) add(n int) {
	if t.account == nil {
		t.gone += n
		return
	}
	t.account.count(n, time.Now)
}

// belongs tells whose the traffic is.
func (t *traffic) belongs(account *meter) {
	t.account = account
	n := t.gone
	t.gone = 0
	t.add(n)
}

// meteredWriter counts an answer's bytes.
type meteredWriter struct {
	http.ResponseWriter
	traffic traffic
}

// Write counts what it writes.
func (w *meteredWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.traffic.add(n)
	return n, err
}

// Flush is for streams.
func (w *meteredWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController find what is below.
func (w *meteredWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// meteredBody counts a request's bytes.
type meteredBody struct {
	io.ReadCloser
	traffic *traffic
}

// Read counts what it reads.
func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.traffic.add(n)
	return n, err
}

// metered lets a request and its answer be counted.
func metered(w http.ResponseWriter, r *http.Request) (*meteredWriter, *http.Request) {
	m := &meteredWriter{ResponseWriter: w}
	m.traffic.gone = len(r.RequestURI)
	r.Body = &meteredBody{r.Body, &m.traffic}
	return m, r
}

// charge counts a request for the account of its token, in whatever account it acts:
// who calls pays, so that nobody multiplies his rate by making accounts. It refuses the
// request where the account's rate is used up, before the body is read [EXT-LIM-1].
func (s *server) charge(ctx huma.Context, account auth.AccountID) error {
	m := s.meter.of(account)
	limit, wait := m.enter(s.directory.EffectiveLimits(account), time.Now())
	if limit == "" {
		if w, ok := ctx.BodyWriter().(*meteredWriter); ok {
			w.traffic.belongs(m)
		}
		return nil
	}
	ctx.SetHeader("Retry-After", strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	return fail(http.StatusTooManyRequests, "limit "+limit+" is reached")
}
