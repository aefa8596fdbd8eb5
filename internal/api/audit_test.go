package api

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"alcove/internal/auth"
	"alcove/internal/event"
)

// ledger is a Journal that remembers what it was told.
type ledger struct {
	mu      sync.Mutex
	events  []event.Record
	audited []event.Record
}

func (n *ledger) Event(r event.Record) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, r)
}

func (n *ledger) Audit(records []event.Record) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.audited = append(n.audited, records...)
	return nil
}

func (n *ledger) Forget([]auth.AccountID) {}

func (n *ledger) Records(context.Context, event.Query, func(*event.Stored) bool) error { return nil }

func (n *ledger) Statistics(context.Context, event.Query, func(*event.Stored) bool) error { return nil }

// take renders and forgets the changes on record, without what each request has.
func (n *ledger) take() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var lines []string
	for _, r := range n.audited {
		line := fmt.Sprintf("%d: %s %s", r.Account, r.Code.Name(), r.Origin)
		if r.Token != 0 {
			line += " by " + r.Source + " " + r.Transport
		}
		if len(r.Item) > 0 {
			line += " " + string(r.Item)
		}
		if r.Reason != "" {
			line += " (" + r.Reason + ")"
		}
		lines = append(lines, line)
	}
	n.audited = nil
	return strings.Join(lines, "\n")
}

func newAuditBench(t *testing.T) (*bench, *ledger) {
	b, n := newBench(t), &ledger{}
	b.handler = New(Config{Directory: b.directory, Broker: b.broker, Version: "test", Journal: n})
	return b, n
}

// TestAudit: every change is on record with who, from where and what, and never a key;
// an account does not learn who is above it [EXT-LOG-1] [EXT-ACC-2].
func TestAudit(t *testing.T) {
	b, n := newAuditBench(t)
	sub := b.ok(b.operator, "POST", "/platform/subaccounts", `[{"name":"s","settings":{"stamps":false,"log_days":null}}]`).text(0, "id")
	who := " by 192.0.2.1:1234 http"
	expect := func(want string) {
		t.Helper()
		if got := n.take(); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
	expect("1: created platform/subaccounts" + who + ` {"name":"s","settings":{"log_days":null,"stamps":false}}`)
	id, key := b.token(b.operator, `{"ttl":60,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"a","actions":["publish"]}]}}`)
	expect("1: created platform/tokens" + who + ` {"ttl":60,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"a","actions":["publish"]}]}}`)
	b.ok(b.operator, "PUT", "/platform/tokens/"+id, `{"enabled":false}`)
	expect("1: updated platform/tokens" + who + ` {"enabled":false}`)
	b.ok(b.operator, "DELETE", "/platform/tokens/"+id, "")
	expect("1: deleted platform/tokens" + who)
	b.ok(b.operator, "PUT", "/platform/subaccounts/"+sub, `{"blocked":7}`)
	expect("1: updated platform/subaccounts" + who + ` {"blocked":7}` + "\n" + sub + ": updated platform/customer" + ` {"blocked":7}` + "\n" +
		"1: blocked platform/subaccounts" + who + ` {"blocked":7}` + "\n" + sub + ": blocked platform/customer" + ` {"blocked":7}`)
	b.ok(b.operator, "PUT", "/platform/customer", `{"name":"x"}`, "x-flespi-cid", sub)
	expect(sub + `: updated platform/customer {"name":"x"}` + "\n" +
		"1: updated platform/customer" + who + ` {"name":"x"} (in account ` + sub + ")")
	b.ok(b.operator, "DELETE", "/platform/subaccounts/"+sub, "")
	expect("1: deleted platform/subaccounts" + who)
	b.ok(b.operator, "POST", "/platform/customers", `[{"name":"c","token":{"info":"i"}}]`)
	expect("1: created platform/customers" + who + ` {"name":"c","token":{"info":"i"}}`)
	if a := b.do(b.operator, "PUT", "/platform/tokens/12345", `{"enabled":true}`); a.status != 404 || n.take() != "" {
		t.Error("a change that failed is on record")
	}
	b.ok(b.operator, "GET", "/platform/tokens?limit=5&token="+key, "")
	b.do("", "GET", "/platform/tokens", "")
	n.mu.Lock()
	defer n.mu.Unlock()
	last := n.events[len(n.events)-1]
	if last.Code != event.Request || last.Topic != "GET /platform/tokens?limit=5" || last.Close != 200 || last.Account != int64(auth.Operator) {
		t.Errorf("the request: %+v", last)
	}
	for _, r := range n.events {
		if strings.Contains(r.Topic, key) || strings.Contains(string(r.Item), key) {
			t.Errorf("a key is on record: %+v", r)
		}
	}
}
