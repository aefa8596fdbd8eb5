package bench

import (
	"context"
	"runtime"
	"time"

	"alcove/internal/mqtt"
)

// Scenario names a load with its usual sizes.
type Scenario struct {
	Name  string
	About string

	connections int // what Config.Connections means by default
	count       int
	payload     int
	qos         int
	window      int
	rate        float64
	batch       int
	form        form
	sticky      bool         // its share group is sticky
	tls         bool         // wants an endpoint of TLS
	ws          bool         // wants one of WebSocket
	version     mqtt.Version // 0: as configured
	memory      bool         // for an account that keeps nothing on disk
	tenants     bool         // makes accounts of its own by REST
	kept        bool         // the subscribers' sessions outlive their connections; acknowledgements are timed

	// shape splits a number of connections into cells with so many publishers and
	// subscribers each; nil for scenarios of another kind.
	shape func(connections int) (cells, pubs, subs int)

	measure func(ctx context.Context, r *run, res *Result) error
}

// The usual sizes.
const (
	usualPayload = 64
	usualWindow  = 1024
	usualBatch   = 32
	jsonPayload  = 300
)

// loopsRate is the load of one-loop and two-loops, in messages a second: less than one
// loop sustains on the cores that it shares with the driver. It is the same for both,
// since flat out the number of messages that a wake-up finds decides what each costs, and
// that changes with the processors that are left.
const loopsRate = 1_000_000

// usualBytes bounds the payload that a publisher's usual window has under way to one
// subscriber. A broker that holds 1 MiB for a receiver before it drops QoS 0 must not
// be made to drop by a closed loop: one round of the driver over all its subscribers may
// take longer than the broker waits for one.
const usualBytes = 512 << 10

func pairs(n int) (int, int, int)  { return max(1, n/2), 1, 1 }
func r13(n int) (int, int, int)    { return max(1, n/4), 1, 3 }
func fanOut(n int) (int, int, int) { return 1, 1, max(1, n-1) }
func fanIn(n int) (int, int, int)  { return 1, max(1, n-1), 1 }

var scenarios = []Scenario{
	{Name: "r13", About: "30 publishers, 3 subscribers a topic, QoS 0", connections: 120, shape: r13},
	{Name: "pair", About: "50 publishers, each with its subscriber, QoS 0", connections: 100, shape: pairs},
	{Name: "pair-1", About: "pair, one message a write", connections: 100, batch: 1, shape: pairs},
	{Name: "pair-1k", About: "pair with payloads of 1 KiB, as many bytes under way", connections: 100, payload: 1024, window: 64, shape: pairs},
	{Name: "tls-r13", About: "r13 over TLS", connections: 120, tls: true, shape: r13},
	{Name: "tls-pair", About: "pair over TLS", connections: 100, tls: true, shape: pairs},
	{Name: "fan500", About: "1 publisher, 500 subscribers, QoS 0", connections: 501, shape: fanOut},
	{Name: "fanin", About: "100 publishers, 1 subscriber, QoS 0", connections: 101, shape: fanIn, window: 64},
	{Name: "qos1-100", About: "50 pairs, QoS 1, 100 messages under way each", connections: 100, shape: pairs, qos: 1, window: 100},
	{Name: "qos1-20", About: "50 pairs, QoS 1, 20 messages under way each", connections: 100, shape: pairs, qos: 1, window: 20},
	{Name: "qos2-20", About: "50 pairs, QoS 2, 20 messages under way each", connections: 100, shape: pairs, qos: 2, window: 20},
	{Name: "latency", About: "10,000 messages a second over 50 pairs, one a write, open loop", connections: 100, shape: pairs, rate: 10_000, batch: 1},
	{Name: "latency-50k", About: "the same at 50,000 messages a second", connections: 100, shape: pairs, rate: 50_000, batch: 1},
	{Name: "half", About: "50 pairs, one message a write, flat out, then at half of that in an open loop: latency", connections: 100, batch: 1, window: 16, shape: pairs, measure: measureHalf},
	{Name: "durable", About: "50 pairs, QoS 1, 20 messages under way each, to sessions that outlive their connections: flat out, then at half of that", connections: 100, qos: 1, window: 20, kept: true, shape: pairs, measure: measureDurable},
	{Name: "durable-1000", About: "the same with 1,000 pairs and 4 messages under way each", connections: 2000, qos: 1, window: 4, kept: true, shape: pairs, measure: measureDurable},
	{Name: "one-loop", About: "r13 at 1,000,000 messages a second, for a broker on both cores with one processor (GOMAXPROCS=1): CPU", connections: 120, batch: usualBatch, rate: loopsRate, shape: r13},
	{Name: "two-loops", About: "the same, for one with two", connections: 120, batch: usualBatch, rate: loopsRate, shape: r13},
	{Name: "two-cores", About: "r13 flat out, for a broker with two processors on the two cores that it shares with the driver", connections: 120, shape: r13},
	{Name: "stalled", About: "10,000 messages a second over 50 pairs, one a write: alone, beside a subscriber of all that never reads, beside one that reads 1 KB a second", connections: 100, rate: 10_000, batch: 1, shape: pairs, measure: measureStalled},
	{Name: "pauses", About: "1,000,000 subscriptions, retained messages stored and updated, and r13 at 100,000 messages a second on top: how long the garbage collector stops the broker (needs --gctrace)", connections: 120, count: 1_000_000, window: 500, batch: usualBatch, rate: 100_000, shape: r13, measure: measurePauses},
	{Name: "scale-connections", About: "pairs over 10, 100, 1,000 and 19,000 connections: CPU per message", connections: 19_000, window: usualBatch, shape: pairs, measure: measureManyConnections},
	{Name: "scale-subscriptions", About: "10 publishers and 10 subscribers at 1,000 topics, among 10, 1,000, 100,000 and 1,000,000 exact subscriptions: CPU per message", connections: 20, count: 1_000_000, window: 256, measure: measureManySubscriptions},
	{Name: "scale-topics", About: "the same at random topics of them all", connections: 20, count: 1_000_000, window: 256, measure: measureManyTopics},
	{Name: "scale-accounts", About: "10,000 connections that publish to themselves, in 1, 10, 100, 1,000 and 10,000 accounts: CPU per message", connections: 10_000, count: 10_000, window: usualBatch, tenants: true, measure: measureManyAccounts},
	{Name: "idle", About: "10,000 idle connections with a subscription each: memory", connections: 10_000, measure: measureIdle},
	{Name: "idle-tls", About: "the same over TLS", connections: 10_000, tls: true, measure: measureIdle},
	{Name: "idle-ws", About: "the same over WebSocket", connections: 10_000, ws: true, measure: measureIdle},
	{Name: "subs-exact", About: "1,000,000 exact subscriptions: memory, then CPU per publish", connections: 100, count: 1_000_000, window: 256, measure: measureSubscriptions},
	{Name: "subs-wild", About: "100,000 wildcard subscriptions: memory, then CPU per publish", connections: 100, count: 100_000, window: 256, measure: measureSubscriptions},
	{Name: "connect", About: "connections opened as fast as they are accepted: CPU each", connections: 19_500, measure: measureConnect},
	{Name: "drain", About: "messages queued for offline sessions, QoS 1, then fetched", connections: 10, count: 100_000, qos: 1, window: 100, measure: measureDrain},
	{Name: "retained", About: "retained messages stored under as many topics, then fetched", connections: 10, count: 100_000, qos: 1, window: 500, measure: measureRetained},
	{Name: "retained-memory", About: "the same in an account that keeps nothing on disk", connections: 10, count: 100_000, qos: 1, window: 500, memory: true, measure: measureRetained},
	{Name: "v5-r13", About: "r13 by MQTT 5, with the broker's user properties on each delivery", connections: 120, version: mqtt.V5, shape: r13},
	{Name: "v5-pair", About: "pair by MQTT 5, with the same", connections: 100, version: mqtt.V5, shape: pairs},
	{Name: "filter-plain", About: "pair with JSON payloads of 300 bytes, unfiltered", connections: 100, payload: jsonPayload, form: jsonForm, shape: pairs},
	{Name: "filter-1", About: "the same, each subscription with an expression that lets everything pass", connections: 100, payload: jsonPayload, form: jsonForm, shape: pairs, measure: measurePairs},
	{Name: "filter-1000", About: "50 publishers, 1,000 subscribers of one topic by an expression each, of which a message meets one", connections: 50, count: filterKeys, payload: jsonPayload, form: jsonForm, window: 64, measure: measureFilters},
	{Name: "selector", About: "random topics among 100 subscriptions with 1,000 words at each of two levels, of which each meets 4", connections: 100, window: 256, measure: measureSelectors},
	{Name: "shared", About: "16 publishers over 1,000 topics, a share group of 16, QoS 0", connections: 32, count: 1000, window: 256, measure: measureGroup},
	{Name: "sticky", About: "the same with a sticky group: 1,000 fingerprints", connections: 32, count: 1000, window: 256, sticky: true, measure: measureGroup},
	{Name: "shared-qos1", About: "shared by QoS 1", connections: 32, count: 1000, qos: 1, window: 100, measure: measureGroup},
	{Name: "sticky-qos1", About: "sticky by QoS 1", connections: 32, count: 1000, qos: 1, window: 100, sticky: true, measure: measureGroup},
	{Name: "retained-db", About: "retained messages as a database: stored, updated at random, asked for by selectors and by time", connections: 10, count: 1_000_000, qos: 1, window: 500, measure: measureDatabase},
	{Name: "retained-db-memory", About: "the same in an account that keeps nothing on disk", connections: 10, count: 1_000_000, qos: 1, window: 500, memory: true, measure: measureDatabase},
	{Name: "tenants", About: "100,000 accounts with a token each, after 300,000 others, idle: memory; tokens created by REST", connections: 1, count: 100_000, tenants: true, measure: measureTenants},
	{Name: "neighbour", About: "1,000 messages a second of an account: alone, and beside one that floods", connections: 20, rate: 1000, batch: 1, shape: pairs, tenants: true, measure: measureNeighbour},
}

// Scenarios returns all scenarios in the order in which they are shown.
func Scenarios() []Scenario { return scenarios }

// Names returns the names of all scenarios.
func Names() []string {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.Name
	}
	return names
}

// Find returns the scenario of the given name.
func Find(name string) (Scenario, bool) {
	for _, s := range scenarios {
		if s.Name == name {
			if s.measure == nil {
				s.measure = measureTraffic
			}
			return s, true
		}
	}
	return Scenario{}, false
}

// Version returns the protocol version that the scenario is about; 0: any.
func (s Scenario) Version() mqtt.Version { return s.version }

// Memory reports whether the scenario is about an account that keeps nothing on disk.
// Its caller gives it the token of such an account.
func (s Scenario) Memory() bool { return s.memory }

// Tenants reports whether the scenario makes accounts: its Config needs REST.
func (s Scenario) Tenants() bool { return s.tenants }

// complete puts the scenario's sizes where the configuration has none.
func (s Scenario) complete(cfg *Config) {
	if cfg.QoS < 0 {
		cfg.QoS = s.qos
	}
	set(&cfg.Connections, s.connections)
	set(&cfg.Count, s.count)
	set(&cfg.Payload, s.payload, usualPayload)
	set(&cfg.Window, s.window, min(usualWindow, max(usualBatch, usualBytes/max(1, cfg.Payload))))
	set(&cfg.Threads, max(1, runtime.GOMAXPROCS(0)/2))
	if cfg.Rate == 0 {
		cfg.Rate = s.rate
	}
	set(&cfg.Batch, s.batch)
	if cfg.Rate > 0 {
		set(&cfg.Batch, 1)
	}
	set(&cfg.Batch, usualBatch)
	cfg.Batch = min(cfg.Batch, cfg.Window)
	if cfg.Duration == 0 {
		cfg.Duration = 5 * time.Second
	}
	if s.version != 0 {
		cfg.Version = s.version
	}
	if cfg.Version == 0 {
		cfg.Version = mqtt.V311
	}
	if s.shape != nil {
		cells, pubs, subs := s.shape(cfg.Connections)
		cfg.Connections = cells * (pubs + subs)
	}
}

// set gives the field the first of the values that is not 0, unless it has one.
func set(field *int, values ...int) {
	for _, v := range values {
		if *field == 0 {
			*field = v
		}
	}
}
