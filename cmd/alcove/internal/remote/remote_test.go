package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const key = "KeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyKeyK"

func serve(t *testing.T, handler http.HandlerFunc) *Remote {
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return &Remote{URL: s.URL, Token: key}
}

func TestRequest(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"result":[%q,%q,%q,%q]}`, r.Method+" "+r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("x-flespi-cid"), body)
	})
	r.Account = 7
	var got []string
	if err := r.Call(t.Context(), Request{Method: "PUT", Path: "/a/b%2Fc", Query: map[string][]string{"x": {"1 2"}}, Body: []int{1}}, &got); err != nil {
		t.Fatal(err)
	}
	want := []string{"PUT /a/b%2Fc?x=1+2", "FlespiToken " + key, "7", "[1]"}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		items      int
		err        string // "": none
	}{
		{"items", `{"result":[{"id":1},{"id":2}],"pagination":{"limit":2,"offset":0,"count":9}}`, 200, 2, ""},
		{"unknown parts", `{"more":{"x":[1]},"result":[]}`, 200, 0, ""},
		{"partly", `{"result":[{}],"errors":[{"code":404,"reason":"not found","id":5}]}`, 200, 1, "not found (id 5, code 404)"},
		{"errors", `{"errors":[{"code":400,"reason":"a"},{"code":400,"reason":"b"}]}`, 400, 0, "a (code 400)\nb (code 400)"},
		{"no errors", `{}`, 503, 0, "Service Unavailable (code 503)"},
		{"foreign", `<html>`, 200, 0, "HTTP 200 OK: the answer is not the broker's"},
		{"empty", ``, 502, 0, "HTTP 502 Bad Gateway: the answer is not the broker's"},
		{"broken off", `{"result":[{"id":1},{"id"`, 200, 1, "the answer broke off: unexpected EOF"},
		{"no list", `{"result":{"id":1}}`, 200, 0, "the answer broke off: the result is no list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			n := 0
			page, err := r.Do(t.Context(), Request{Method: "GET", Path: "/"}, func(json.RawMessage) error { n++; return nil })
			text := ""
			if err != nil {
				text = err.Error()
			}
			if n != c.items || page.Items != c.items || text != c.err {
				t.Errorf("%d items (%+v), %q", n, page, text)
			}
			if faults, ok := errors.AsType[*Faults](err); ok && faults.Items != c.items {
				t.Errorf("%+v", faults)
			}
		})
	}
}

// TestList: however many items there are, each is given once; limit and offset cut.
func TestList(t *testing.T) {
	const total = 2*PageSize + 17
	for _, counted := range []bool{true, false} {
		r := serve(t, func(w http.ResponseWriter, q *http.Request) {
			limit, _ := strconv.Atoi(q.URL.Query().Get("limit"))
			offset, _ := strconv.Atoi(q.URL.Query().Get("offset"))
			var items []string
			for i := offset; i < min(offset+limit, total); i++ {
				items = append(items, strconv.Itoa(i))
			}
			fmt.Fprintf(w, `{"result":[%s]`, strings.Join(items, ","))
			if counted {
				fmt.Fprintf(w, `,"pagination":{"limit":%d,"offset":%d,"count":%d}`, limit, offset, total)
			}
			io.WriteString(w, "}")
		})
		for _, c := range [][3]int{{0, 0, total}, {5, 0, 5}, {0, 10, total - 10}, {1500, 1000, total - 1000}, {3, total, 0}, {PageSize, 0, PageSize}} {
			next, n := c[1], 0
			err := r.List(t.Context(), Request{Path: "/"}, c[0], c[1], func(raw json.RawMessage) error {
				if string(raw) != strconv.Itoa(next) {
					return fmt.Errorf("%s, want %d", raw, next)
				}
				next++
				n++
				return nil
			})
			if err != nil || n != c[2] {
				t.Errorf("limit %d offset %d: %d items, %v", c[0], c[1], n, err)
			}
		}
		if n, _, err := r.Count(t.Context(), Request{Path: "/"}); err != nil || counted && n != total {
			t.Errorf("Count = %d, %v", n, err)
		}
	}
}

// TestComesBackLater: a broker that is busy for a short time is asked again.
func TestComesBackLater(t *testing.T) {
	var asked atomic.Int32
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(429)
			io.WriteString(w, `{"errors":[{"code":429,"reason":"limit api_calls is reached"}]}`)
			return
		}
		io.WriteString(w, `{"result":[1]}`)
	})
	var got []int
	if err := r.Call(t.Context(), Request{Method: "GET", Path: "/"}, &got); err != nil || len(got) != 1 || asked.Load() != 3 {
		t.Errorf("%v, %v, %d requests", got, err, asked.Load())
	}
	r = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "600") // nobody waits for that
		w.WriteHeader(429)
		io.WriteString(w, `{"errors":[{"code":429,"reason":"limit api_calls is reached"}]}`)
	})
	if err := r.Call(t.Context(), Request{Method: "GET", Path: "/"}, &got); err == nil || !strings.Contains(err.Error(), "api_calls") {
		t.Error(err)
	}
}

// stuck is a broker that never answers.
type stuck struct{}

func (stuck) RoundTrip(q *http.Request) (*http.Response, error) {
	<-q.Context().Done()
	return nil, q.Context().Err()
}

func TestSilentBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Remote{URL: "http://broker", Token: key}
		if err := r.open(); err != nil {
			t.Fatal(err)
		}
		r.client.Transport = stuck{}
		began := time.Now()
		err := r.Call(t.Context(), Request{Method: "GET", Path: "/"}, nil)
		if err == nil || err.Error() != "broker does not answer within 1m0s" || time.Since(began) != Timeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Call(ctx, Request{Method: "GET", Path: "/"}, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// TestRedirect: the token goes nowhere else.
func TestRedirect(t *testing.T) {
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the request was redirected") })
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, other.URL, http.StatusTemporaryRedirect)
	})
	if err := r.Call(t.Context(), Request{Method: "GET", Path: "/"}, nil); err == nil {
		t.Error("a redirect is no answer")
	}
}

// TestErrorsHideTheToken: no error shows the key.
func TestErrorsHideTheToken(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1:1", "ftp://x", "nonsense", "http://\x00", "https://127.0.0.1:1"} {
		r := &Remote{URL: url, Token: key}
		err := r.Call(t.Context(), Request{Method: "GET", Path: "/"}, nil)
		if err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", url, err)
		}
	}
	r := &Remote{URL: "http://127.0.0.1:1", Token: "bad\nkey" + key}
	if err := r.Call(t.Context(), Request{Method: "GET", Path: "/"}, nil); err == nil || strings.Contains(err.Error(), key) {
		t.Error(err)
	}
}
