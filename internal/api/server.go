package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// Broker is what the REST needs of the broker.
type Broker interface {
	// DropAccounts ends the connections of deleted accounts and drops their
	// namespaces; it returns how much that was, when it is durable.
	DropAccounts(ids []auth.AccountID) (broker.Dropped, error)
	// Usage is what an account has done and holds.
	Usage(account auth.AccountID) broker.Usage
	// Limits are those in force.
	Limits() broker.Limits
	// Submit publishes messages in an account and returns when what must be durable
	// is so: an entry for each message [EXT-SES-4].
	Submit(ctx context.Context, by broker.Submitter, messages []broker.Submission) []broker.Submitted
	// FindRetained gives retained messages to yield, until that returns false.
	FindRetained(ctx context.Context, q broker.RetainedQuery, yield func(*broker.Message) bool) error
	// DeleteRetained deletes the account's retained messages that match a filter and
	// that may allows; it returns how many, when that is durable.
	DeleteRetained(ctx context.Context, account auth.AccountID, filter string, may func(topic []byte) bool) (int, error)
}

// Config is what New is given.
type Config struct {
	Directory *auth.Directory
	Broker    Broker   // may be nil: then there is no /mqtt, and deleted accounts leave nothing to drop
	Sessions  Sessions // may be nil: then there is no /mqtt/sessions
	Streams   Streams  // may be nil: then there is no /mqtt/stream
	Meter     *Meter   // counts requests and traffic; nil: one is made
	Journal   Journal  // may be nil: then nothing is put on record, and there are no logs
	Version   string   // of the program, for the OpenAPI document

	// Origins are those whose pages may read answers; empty allows any [EXT-REST-10].
	Origins []string
	// Region says where the installation is reached, Ports where it listens; Ports is
	// called at requests, and may be nil.
	Region Region
	Ports  func() Ports
	// Reserved is the first level of the broker's own topics; "flespi" where empty.
	Reserved string
}

type server struct {
	directory *auth.Directory
	broker    Broker
	meter     *Meter
	cors      cors
	sessions  Sessions
	streams   streams
	journal   Journal
	message   *huma.Schema                  // of messageFields
	query     *huma.Schema                  // of queryFields
	records   *huma.Schema                  // of recordFields
	items     map[reflect.Type]*huma.Schema // of the items of arrays
	mux       *http.ServeMux
	api       huma.API
	openapi   func() []byte
}

// New returns the handler of the REST paths. WebSocket upgrades on the same port are
// taken out before by the server.
func New(cfg Config) http.Handler {
	s := &server{
		directory: cfg.Directory, broker: cfg.Broker, sessions: cfg.Sessions, meter: cfg.Meter,
		journal: cfg.Journal, cors: cors{cfg.Origins}, mux: http.NewServeMux(), items: map[reflect.Type]*huma.Schema{},
	}
	s.streams.init(cfg.Streams)
	if cfg.Reserved == "" {
		cfg.Reserved = "flespi"
	}
	if s.meter == nil {
		s.meter = NewMeter()
	}
	c := huma.DefaultConfig("Alcove", cfg.Version)
	c.CreateHooks = nil // no $schema field in answers
	// The framework makes these documents at the first request, without a lock; ours
	// is made once.
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = "", "", ""
	c.Formats = map[string]huma.Format{"application/json": {Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: decodeJSON}}
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":  {Type: "apiKey", In: "header", Name: "Authorization", Description: "FlespiToken <key>"},
		"bearer": {Type: "http", Scheme: "bearer", Description: "Bearer <key>"},
	}
	s.api = humago.New(s.mux, c)
	s.api.UseMiddleware(s.authenticate)
	s.registerInfo()
	s.registerRegions(cfg)
	s.registerDictionary(cfg.Reserved)
	s.registerTokens()
	s.registerAccounts()
	s.registerLimits()
	s.registerCustomer()
	s.registerExpressions()
	if s.journal != nil {
		s.registerLogs()
	}
	if s.broker != nil {
		s.registerMessages()
	}
	if s.sessions != nil {
		s.registerSessions()
	}
	if s.streams.broker != nil {
		s.registerStreams()
	}
	s.openapi = sync.OnceValue(s.document)
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		w.Write(s.openapi())
	})
	s.registerPages()
	return s
}

// ServeHTTP serves a request; what no path takes gets its error as JSON too.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.journal != nil {
		t := s.follow(w, r)
		defer t.end()
		w, r = t, t.request
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if s.cors.apply(w, r) { // [EXT-REST-10]
		return
	}
	if r = foldTopic(r); !plainPath(r.URL.EscapedPath()) {
		s.refuse(w, r, http.NotFoundHandler())
		return
	}
	if f := ambiguous(r); f != nil {
		writeFailure(w, f)
		return
	}
	if handler, pattern := s.mux.Handler(r); pattern == "" {
		s.refuse(w, r, handler)
		return
	}
	// Bodies are JSON whatever they are called: plain command-line clients send a
	// form's type unasked.
	if r.Header.Get("Content-Type") != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	m, r := metered(w, r)
	s.mux.ServeHTTP(m, r)
}

// plainPath tells whether a path is as it stands what it means: no empty segment, none
// that is . or .. in any spelling, and no encoding in the two segments which say what
// is asked for. The mux would redirect or decode the others, and a proxy might read
// them otherwise than we do (attacks row 47).
func plainPath(escaped string) bool {
	if !strings.HasPrefix(escaped, "/") {
		return false
	}
	place := 0
	for segment := range strings.SplitSeq(escaped[1:], "/") {
		text, err := url.PathUnescape(segment)
		switch {
		case err != nil, text == ".", text == "..", segment == "" && escaped != "/", place < 2 && text != segment:
			return false
		}
		place++
	}
	return true
}

// refuse answers what no pattern takes: 405 with the methods that the path has, or
// 404.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, handler http.Handler) {
	plain := &verdict{header: http.Header{}}
	handler.ServeHTTP(plain, r)
	f := fail(http.StatusNotFound, "no such path")
	if plain.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", plain.header.Get("Allow"))
		f = fail(http.StatusMethodNotAllowed, "the path has no such method")
	}
	writeFailure(w, f)
}

func writeFailure(w http.ResponseWriter, f *Failure) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(f.GetStatus())
	json.NewEncoder(w).Encode(f)
}

// ambiguous refuses a header or parameter that stands twice: two readers might take a
// different one (attacks row 47).
func ambiguous(r *http.Request) *Failure {
	for _, name := range []string{"Authorization", "Content-Type", "X-Flespi-Cid"} {
		if len(r.Header[name]) > 1 {
			return fail(http.StatusBadRequest, "header "+name+": is given twice")
		}
	}
	if r.URL.RawQuery == "" {
		return nil
	}
	parameters, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fail(http.StatusBadRequest, "query: is not name=value, percent-encoded and joined by &")
	}
	for name, values := range parameters {
		if len(values) > 1 {
			return fail(http.StatusBadRequest, shorten(name)+": is given twice")
		}
	}
	return nil
}

// verdict takes the status and the headers of the mux's plain-text refusal.
type verdict struct {
	header http.Header
	status int
}

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) WriteHeader(status int)      { v.status = status }
func (v *verdict) Write(b []byte) (int, error) { return len(b), nil }

// operation is one method of one path.
type operation struct {
	id, method, path, summary string
	right                     string // platformRight, tokenRight, or "" for a public one
}

// declare makes the description of an operation.
func (op operation) declare() huma.Operation {
	o := huma.Operation{
		OperationID:  op.id,
		Method:       op.method,
		Path:         op.path,
		Summary:      op.summary,
		MaxBodyBytes: maxBody + 1, // the framework refuses a body of just this size

		BodyReadTimeout: bodyTimeout,
		Errors:          []int{400, 401, 403, 404, 413, 429, 503},
	}
	if op.right != "" {
		o.Security = []map[string][]string{{"token": {}}, {"bearer": {}}}
		o.Metadata = map[string]any{op.right: true}
	}
	return o
}

// add registers an operation.
func add[I, O any](s *server, op operation, handler func(context.Context, *I) (*O, error)) {
	huma.Register(s.api, op.declare(), handler)
}
