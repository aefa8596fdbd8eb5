package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is a scenario of `alcove bench` and what the comparison must know to run it.
type row struct {
	name string
	// brokers can run it; nil: all can. Others have a dash.
	brokers   []string
	transport transport
	rest      bool // the driver needs Alcove's REST interface
	stored    bool // its size is --retained
	// cores: broker and driver share two cores, and a Go broker has so many processors;
	// 0: a core for each of the two, and one processor.
	cores int
	// rounds bounds the samples of each broker; 0: as many as asked for. It is for
	// samples that take long and tell much each.
	rounds int
	// traced: the driver reads the broker's pauses from its standard error.
	traced bool
	// limit is what a sample may take beyond the time that it measures; 0: sampleTime.
	limit time.Duration
}

// transport is how the driver reaches the broker; it is also the scheme of the URL.
type transport string

const (
	overTCP transport = "mqtt"
	overTLS transport = "mqtts"
	overWS  transport = "ws"
)

// The brokers that have a feature: nats-server has neither MQTT 5 nor share groups.
var (
	alcoveOnly   = []string{"alcove"}
	withVersion5 = []string{"alcove", "mosquitto", "mochi"}
	withShares   = []string{"alcove", "mosquitto", "mochi"}
	withScale    = []string{"alcove", "mosquitto"} // the others would take minutes
)

// databaseTime bounds a sample of ten million retained messages.
const databaseTime = 30 * time.Minute

// tenantsTime bounds a sample of a hundred thousand accounts.
const tenantsTime = 10 * time.Minute

// rows are those of the usual table, in their order.
var rows = []row{
	{name: "r13"}, {name: "pair"}, {name: "pair-1"}, {name: "pair-1k"}, {name: "fan500"}, {name: "fanin"},
	{name: "tls-r13", transport: overTLS}, {name: "tls-pair", transport: overTLS},
	{name: "qos1-100"}, {name: "qos1-20"}, {name: "qos2-20"}, {name: "latency"},
	{name: "latency-50k"}, {name: "half"}, {name: "stalled"}, {name: "durable"}, {name: "durable-1000", brokers: alcoveOnly, rounds: 1},
	{name: "two-cores", cores: 2},
	{name: "one-loop", brokers: alcoveOnly, cores: 1}, {name: "two-loops", brokers: alcoveOnly, cores: 2},
	{name: "v5-r13", brokers: withVersion5}, {name: "v5-pair", brokers: withVersion5},
	{name: "filter-plain"},
	{name: "filter-1", brokers: alcoveOnly},
	{name: "filter-1000", brokers: alcoveOnly},
	{name: "selector", brokers: alcoveOnly},
	{name: "shared", brokers: withShares},
	{name: "sticky", brokers: alcoveOnly},
	{name: "shared-qos1", brokers: withShares},
	{name: "sticky-qos1", brokers: alcoveOnly},
	{name: "idle"}, {name: "idle-tls", transport: overTLS}, {name: "idle-ws", transport: overWS},
	{name: "subs-exact"}, {name: "subs-wild"}, {name: "connect"},
	{name: "pauses", brokers: alcoveOnly, stored: true, traced: true, limit: databaseTime, rounds: 1},
	{name: "scale-connections", brokers: withScale, rounds: 1},
	{name: "scale-subscriptions", brokers: withScale, rounds: 1},
	{name: "scale-topics", brokers: alcoveOnly, rounds: 1},
	{name: "scale-accounts", brokers: alcoveOnly, rest: true, rounds: 1},
	{name: "drain"}, {name: "retained"}, {name: "retained-memory", brokers: alcoveOnly, rest: true},
	{name: "retained-db", brokers: alcoveOnly, stored: true, limit: databaseTime, rounds: 1},
	{name: "retained-db-memory", brokers: alcoveOnly, rest: true, stored: true, limit: databaseTime, rounds: 1},
	{name: "tenants", brokers: alcoveOnly, rest: true, limit: tenantsTime, rounds: 1},
	{name: "neighbour", brokers: alcoveOnly, rest: true, limit: tenantsTime},
}

// defaultScenarios are the names of all rows.
func defaultScenarios() string {
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.name
	}
	return strings.Join(names, ",")
}

// findRow returns the row of a scenario. One that is not in the table, which the
// driver may know all the same, is run against every broker over TCP.
func findRow(scenario string) row {
	for _, r := range rows {
		if r.name == scenario {
			if r.transport == "" {
				r.transport = overTCP
			}
			if r.limit == 0 {
				r.limit = sampleTime
			}
			return r
		}
	}
	return row{name: scenario, transport: overTCP, limit: sampleTime}
}

// fits tells whether a broker can run the row.
func (r row) fits(m *maker) bool {
	if r.transport == overWS && m.noWebSocket {
		return false
	}
	return r.brokers == nil || slices.Contains(r.brokers, m.name)
}

// roundsOf is how many samples of each broker the row takes.
func (r row) roundsOf(o options) int {
	if r.rounds > 0 {
		return min(r.rounds, o.rounds)
	}
	return o.rounds
}

// place is where the broker and the driver run, as lists of cores, and how many
// processors a Go broker has.
func (r row) place() (broker, driver string, processors int) {
	if r.cores > 0 {
		return "0,1", "0,1", r.cores
	}
	return "0", "1", 1
}

// site is where a broker is to listen in one run.
type site struct {
	address   string
	transport transport
	rest      string // address of Alcove's REST interface; empty: none
}

// newSite finds free addresses for a row.
func newSite(r row) (at site, err error) {
	at.transport = r.transport
	if at.address, err = freeAddress(); err != nil {
		return at, err
	}
	if r.rest {
		at.rest, err = freeAddress()
	}
	return at, err
}

// url is what the driver is given. nats-server speaks MQTT over WebSocket under this
// path alone; the others do under any.
func (s site) url() string {
	if s.transport == overWS {
		return "ws://" + s.address + "/mqtt"
	}
	return string(s.transport) + "://" + s.address
}

// driverArgs are the arguments of `alcove bench` for a row.
func (r row) driverArgs(o options, at site, token string, pid int) []string {
	args := []string{"bench", r.name, "--url", at.url(), "--pid", strconv.Itoa(pid),
		"--duration", o.duration.String(), "--insecure", "--json", "--quiet"}
	if token != "" {
		args = append(args, "--token", token)
	}
	if at.rest != "" {
		args = append(args, "--rest", "http://"+at.rest)
	}
	if r.traced {
		args = append(args, "--gctrace", o.trace())
	}
	if r.stored {
		args = append(args, "--count", strconv.Itoa(o.retained))
	}
	return args
}

// check adds to the faults what a sample of the row must have and has not.
func (r row) check(m *maker, s *sample) {
	if m.name == "alcove" && strings.HasPrefix(r.name, "v5-") && s.OwnProperties != ownProperties {
		s.Errors++
		s.FirstError = fmt.Sprintf("a delivery carries %d of the broker's %d user properties", s.OwnProperties, ownProperties)
	}
}

// ownProperties are timestamp, token_id and cid.
const ownProperties = 3
