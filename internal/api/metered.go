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
	wait, err := s.levy(account, trafficOf(ctx))
	if err != nil {
		ctx.SetHeader("Retry-After", wait)
	}
	return err
}

// levy is charge for an operation that finds the account by itself. wait is how many
// seconds the caller has to, where it is refused.
func (s *server) levy(account auth.AccountID, t *traffic) (wait string, err error) {
	m := s.meter.of(account)
	limit, d := m.enter(s.directory.EffectiveLimits(account), time.Now())
	if limit != "" {
		wait = strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
		return wait, fail(http.StatusTooManyRequests, "limit "+limit+" is reached")
	}
	if t != nil {
		t.belongs(m)
	}
	return "", nil
}

// trafficOf returns what counts a request's bytes, nil where nothing does.
func trafficOf(ctx huma.Context) *traffic {
	if w, ok := ctx.BodyWriter().(*meteredWriter); ok {
		return &w.traffic
	}
	return nil
}
