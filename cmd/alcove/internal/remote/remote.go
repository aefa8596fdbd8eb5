package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"alcove/internal/client"
)

const (
	// Timeout is how long a broker may take to begin its answer, and how long it may
	// pause within it.
	Timeout = 60 * time.Second

	retries   = 3                // further attempts where the broker asks to come back later
	retryMost = 10 * time.Second // longest time that is waited for one

	defaultURL = "http://127.0.0.1:8080"
	tokenFile  = "operator.token" // in the broker's data directory
)

// Remote says which broker to ask, and as whom.
type Remote struct {
	URL     string // http or https; empty: $ALCOVE_URL, else this machine's port 8080
	Token   string // empty: $ALCOVE_TOKEN, else the operator's in Data
	Data    string // the broker's data directory
	Account int64  // act in this account below one's own; 0: in one's own [EXT-REST-3]
	TLS     client.TLSFiles

	once   sync.Once
	client *http.Client
	fault  error // of the first use
}

// AddFlags declares the options that name a Remote.
func (r *Remote) AddFlags(f *pflag.FlagSet) {
	f.StringVar(&r.URL, "url", "", "the broker's REST interface (default $ALCOVE_URL, else "+defaultURL+")")
	f.StringVar(&r.Token, "token", "", "token (default $ALCOVE_TOKEN, else the data directory's operator.token)")
	f.StringVar(&r.Data, "data", "./alcove-data", "the broker's data directory, for its operator.token")
	f.Int64Var(&r.Account, "cid", 0, "act in this account below one's own (x-flespi-cid)")
	f.StringVar(&r.TLS.CAFile, "cafile", "", "certificates to trust, PEM")
	f.BoolVar(&r.TLS.Insecure, "insecure", false, "do not verify the broker's certificate")
}

// Key returns the token to present.
func (r *Remote) Key() (string, error) {
	if r.Token != "" {
		return r.Token, nil
	}
	if env := os.Getenv("ALCOVE_TOKEN"); env != "" {
		return env, nil
	}
	raw, err := os.ReadFile(filepath.Join(r.Data, tokenFile))
	if err != nil {
		return "", fmt.Errorf("no token: give --token or ALCOVE_TOKEN, or the broker's --data (%w)", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// Base returns the broker's URL without a slash at its end.
func (r *Remote) Base() (*url.URL, error) {
	text := r.URL
	if text == "" {
		text = defaultURL
		if env := os.Getenv("ALCOVE_URL"); strings.HasPrefix(env, "http") {
			text = env
		}
	}
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, &UsageError{fmt.Sprintf("%q is not the URL of a REST interface, such as %s", text, defaultURL)}
	}
	return u, nil
}

// UsageError says that a question could not be asked because of how it was put.
type UsageError struct{ Reason string }

// Error returns the reason.
func (e *UsageError) Error() string { return e.Reason }

// Request is one question.
type Request struct {
	Method string
	Path   string     // escaped where it must be
	Query  url.Values // nil: none
	Body   any        // as JSON; nil: none
}

// Do asks, and gives the items of the answer's result one by one, as they come. An
// error of each ends it and is returned; errors that the broker answers are Faults,
// after the items that stand beside them.
func (r *Remote) Do(ctx context.Context, q Request, each func(json.RawMessage) error) (Page, error) {
	var body []byte
	if q.Body != nil {
		var err error
		if body, err = json.Marshal(q.Body); err != nil {
			return Page{}, err
		}
	}
	for attempt := 0; ; attempt++ {
		page, wait, err := r.try(ctx, q, body, each)
		if wait <= 0 || attempt == retries {
			return page, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return page, err
		case <-timer.C:
		}
	}
}

// Call asks and decodes the whole result, a list, into result; nil drops it.
func (r *Remote) Call(ctx context.Context, q Request, result any) error {
	list := []byte{'['}
	page, err := r.Do(ctx, q, func(item json.RawMessage) error {
		if len(list) > 1 {
			list = append(list, ',')
		}
		list = append(list, item...)
		return nil
	})
	if result == nil || page.Items == 0 {
		return err
	}
	if bad := json.Unmarshal(append(list, ']'), result); bad != nil && err == nil {
		err = fmt.Errorf("the broker's answer: %w", bad)
	}
	return err
}

// try asks once. A wait says after how long the broker wants to be asked again; it has
// done nothing then.
func (r *Remote) try(ctx context.Context, q Request, body []byte, each func(json.RawMessage) error) (Page, time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pause := time.AfterFunc(Timeout, cancel)
	defer pause.Stop()
	req, err := r.request(ctx, q, body)
	if err != nil {
		return Page{}, 0, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		if ctx.Err() != nil && !pause.Stop() {
			err = fmt.Errorf("%s does not answer within %v", req.URL.Host, Timeout)
		}
		return Page{}, 0, err
	}
	defer resp.Body.Close()
	page, err := readAnswer(&patient{resp.Body, pause}, resp, each)
	if resp.StatusCode == http.StatusTooManyRequests {
		return page, retryAfter(resp.Header.Get("Retry-After")), err
	}
	return page, 0, err
}

func (r *Remote) request(ctx context.Context, q Request, body []byte) (*http.Request, error) {
	key, err := r.Key()
	if err != nil {
		return nil, err
	}
	base, err := r.Base()
	if err != nil {
		return nil, err
	}
	if err := r.open(); err != nil {
		return nil, err
	}
	target := base.String() + q.Path
	if len(q.Query) > 0 {
		target += "?" + q.Query.Encode()
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, q.Method, target, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "FlespiToken "+key)
	if r.Account != 0 {
		req.Header.Set("x-flespi-cid", strconv.FormatInt(r.Account, 10))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// open makes the HTTP client at the first use.
func (r *Remote) open() error {
	r.once.Do(func() {
		cfg, err := r.TLS.Config()
		r.fault = err
		r.client = &http.Client{
			Transport: &http.Transport{TLSClientConfig: cfg, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
			// The broker redirects nobody; a token follows no other's word.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	})
	return r.fault
}

func retryAfter(text string) time.Duration {
	n, err := strconv.Atoi(text)
	wait := time.Duration(n) * time.Second
	if err != nil || wait > retryMost {
		return 0
	}
	return max(wait, 100*time.Millisecond)
}

// patient reads an answer that may be long but must not stand still.
type patient struct {
	io.Reader
	pause *time.Timer
}

func (p *patient) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.pause.Reset(Timeout)
	return n, err
}
