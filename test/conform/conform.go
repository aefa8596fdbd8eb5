// Package conform is a black-box suite of MQTT by clause, for any broker.
//
// A case is one observable promise of the standards, named by the clauses that
// it proves. It sees a Target only through sockets, uses client identifiers
// and topics that no other run uses, and cleans up what it stored, so the
// suite may run against a broker that serves others at the same time.
//
// Run executes the cases as subtests of the caller. A Target says where the
// broker is and what it claims to do; a case which needs more is skipped and
// named. Where the standards leave a choice, every choice is accepted, unless
// the Target is Strict: then the reason codes that the standard only advises
// are demanded too.
//
// The tests of this package run the suite on Alcove, built and started by
// themselves, and on Debian's mosquitto, so that the suite itself is checked;
// with -url they run it on a broker of your choice:
//
//	go test ./test/conform -args -url mqtt://127.0.0.1:1883 -token KEY
package conform

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"alcove/test/conform/wire"
)

// Target is the broker under test.
type Target struct {
	Name     string // for reports
	URL      string // mqtt://host:port or mqtts://host:port
	WS       string // ws://host:port/path or wss://…; empty skips the WebSocket cases
	HTTP     string // http://host:port of the REST API; empty skips what needs it
	User     string // credentials of every client; both empty sends none
	Password string

	TLS *tls.Config // for mqtts and wss

	Auth    bool // unknown credentials are refused
	Strict  bool // advised reason codes are demanded
	Dialect bool // the broker keeps Alcove's own contract
	SCRAM   bool // SCRAM-SHA-256 with a token made by REST

	// Known tells the cases which the broker is known to fail, by Case.Key:
	// their failure passes, and their success fails.
	Known map[string]string
}

// Case is one promise and the code which tries it.
type Case struct {
	V5    string // clauses of MQTT 5 and of Alcove, space-separated; empty: not run on 5
	V311  string // clauses of MQTT 3.1.1; empty: not run on 3.1.1
	V31   string // clauses named when run on MQTT 3.1, which has no ids of its own; empty: not run
	Title string
	Needs func(Target) string // what is missing, or nothing
	Run   func(*Kit)
}

// variant is a case at one protocol level.
type variant struct {
	Case
	v   byte
	ids []string
}

// Key names a variant for Target.Known: its clauses and its title.
func (c variant) Key() string { return strings.Join(c.ids, " ") + " " + c.Title }

func (c variant) name() string {
	if c.v == wire.V31 {
		return c.Key() + " (3.1)"
	}
	return c.Key()
}

// groups are all cases, by what they are about.
func groups() []struct {
	name  string
	cases []Case
} {
	return []struct {
		name  string
		cases []Case
	}{
		{"connect", connectCases}, {"malformed", malformedCases}, {"connack", connackCases}, {"will", willCases},
		{"session", sessionCases}, {"keepalive", keepAliveCases}, {"publish", publishCases}, {"retained", retainedCases},
		{"alias", aliasCases}, {"properties", propertyCases}, {"subscribe", subscribeCases}, {"unsubscribe", unsubscribeCases},
		{"qos", qosCases}, {"quota", quotaCases}, {"order", orderCases}, {"topics", topicCases}, {"overlap", overlapCases},
		{"shared", sharedCases}, {"auth", authCases}, {"disconnect", disconnectCases}, {"limits", limitCases},
		{"expiry", expiryCases}, {"websocket", websocketCases}, {"old", oldCases}, {"dialect", dialectCases}, {"accounts", accountCases},
		{"reserved", reservedCases}, {"selectors", selectorCases}, {"stored", storedCases}, {"bulk", bulkCases}, {"pages", pageCases}, {"retained by REST", retainedRESTCases},
		{"stamps", stampCases}, {"sources", sourceCases}, {"counts", countCases}, {"greeting", greetingCases}, {"filters", filterCases},
		{"sharing", sharingCases}, {"expressions", expressionCases}, {"groups", groupCases}, {"sticky", stickyCases}, {"sticky forms", stickyFormCases}, {"crossings", crossingCases}, {"tenants", tenantCases}, {"tokens", tokenCases}, {"ceilings", ceilingCases}, {"forms of REST", restFormCases}, {"managed sessions", managedCases}, {"records", recordCases},
	}
}

// variants expands a case to the protocol levels it names.
func variants(c Case) []variant {
	var out []variant
	for _, x := range []struct {
		v   byte
		ids string
	}{{wire.V5, c.V5}, {wire.V311, c.V311}, {wire.V31, c.V31}} {
		if x.ids != "" {
			out = append(out, variant{c, x.v, strings.Fields(x.ids)})
		}
	}
	return out
}

// run makes the names of one run unlike those of any other.
var run = fmt.Sprintf("%x", time.Now().UnixNano()%1e12)

var caseNumber atomic.Int64

// Run tries every case on the broker, each as a parallel subtest whose name
// begins with its clauses. With names of groups it tries only those.
func Run(t *testing.T, target Target, only ...string) {
	for _, g := range groups() {
		if len(only) > 0 && !slices.Contains(only, g.name) {
			continue
		}
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range g.cases {
				for _, x := range variants(c) {
					t.Run(x.name(), func(t *testing.T) {
						t.Parallel()
						judge(t, target, x)
					})
				}
			}
		})
	}
}

// judge runs one variant and compares the outcome with what is known.
func judge(t *testing.T, target Target, x variant) {
	if x.Needs != nil {
		if missing := x.Needs(target); missing != "" {
			t.Skipf("%s: %s", target.Name, missing)
		}
	}
	k := &Kit{Target: target, V: x.v, name: fmt.Sprintf("%s%d", run, caseNumber.Add(1))}
	k.try(x.Run)
	why, known := target.Known[x.Key()]
	switch {
	case k.skipped != "":
		t.Skipf("%s: %s", target.Name, k.skipped)
	case known && len(k.failures) == 0:
		t.Errorf("passes, though %s is listed as failing it: %s", target.Name, why)
	case known:
		t.Logf("known of %s: %s\n  seen: %s", target.Name, why, strings.Join(k.failures, "\n  "))
	default:
		for _, f := range k.failures {
			t.Error(f)
		}
	}
}

func needsAuth(t Target) string    { return unless(t.Auth, "refuses no credentials") }
func needsDialect(t Target) string { return unless(t.Dialect, "Alcove's own contract") }
func needsWS(t Target) string      { return unless(t.WS != "", "no WebSocket address") }
func needsSCRAM(t Target) string   { return unless(t.SCRAM && t.HTTP != "", "no SCRAM tokens") }

func unless(ok bool, missing string) string {
	if ok {
		return ""
	}
	return missing
}
