package server

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	happening "alcove/internal/event"
	"alcove/internal/mqtt"
)

// recorder is an Observer that keeps the records of refused clients.
type recorder struct {
	mu   sync.Mutex
	kept []happening.Record
}

func (r *recorder) Event(e happening.Record) {
	if e.Code == happening.ConnectRejected || e.Code == happening.ConnectBlocked {
		r.mu.Lock()
		r.kept = append(r.kept, e)
		r.mu.Unlock()
	}
}

// take returns what was recorded since the last call. The record comes at the end of
// the turn in which the refusal was appended, before anything is written.
func (r *recorder) take() []happening.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.kept
	r.kept = nil
	return kept
}

// TestRefusedClientsAreTold: whoever is refused with a token that there is stands in
// the log of its account (502; 501 for the account's own reasons), with where it came
// from and why; whoever has none, in no account's [EXT-LOG-1] [EXT-ACC-1].
func TestRefusedClientsAreTold(t *testing.T) {
	seen := &recorder{}
	h := newHouseWith(t, Config{MQTT: loopback}, broker.Config{Observer: seen})
	owner := auth.AccountID(1)
	token := func(spec auth.TokenSpec) (auth.Token, string) {
		ttl := int64(3600)
		spec.TTL = &ttl
		tok, key, err := h.directory.CreateToken(owner, spec, time.Now())
		must(t, err)
		return tok, key
	}
	no, yes, ips := false, true, "203.0.113.0/24"
	listed := &auth.Access{Type: auth.Listed, ACL: []byte(`[{"uri":"mqtt","topic":"mine/#","actions":["publish"]}]`)}
	disabled, disabledKey := token(auth.TokenSpec{Enabled: &no})
	elsewhere, elsewhereKey := token(auth.TokenSpec{IPs: &ips})
	narrow, narrowKey := token(auth.TokenSpec{Access: listed})
	scram, _ := token(auth.TokenSpec{Scram: &yes})
	name := "blocked"
	account, first, err := h.directory.CreateCustomer(auth.AccountSpec{Name: &name}, auth.TokenSpec{TTL: ptr[int64](60)}, time.Now())
	must(t, err)
	_, err = h.directory.UpdateAccount(account.ID, auth.AccountSpec{Blocked: ptr(1)})
	must(t, err)
	short := func(id auth.TokenID) func(*mqtt.Connect) {
		return func(c *mqtt.Connect) {
			c.Username, c.HasPassword, c.Password = fmt.Append(nil, id), true, []byte("0123456789abcdef")
		}
	}
	will := func(c *mqtt.Connect) { c.HasWill, c.Will = true, mqtt.Will{Topic: []byte("yours")} }
	for _, c := range []struct {
		name    string
		key     string
		change  func(*mqtt.Connect)
		code    happening.Code // 0: no record
		account auth.AccountID
		token   auth.TokenID
		close   mqtt.ReasonCode
	}{
		{"disabled", disabledKey, nil, happening.ConnectRejected, owner, disabled.ID, mqtt.NotAuthorized},
		{"not from here", elsewhereKey, nil, happening.ConnectRejected, owner, elsewhere.ID, mqtt.NotAuthorized},
		{"a Will that may not be", narrowKey, will, happening.ConnectRejected, owner, narrow.ID, mqtt.NotAuthorized},
		{"blocked", first.Key, nil, happening.ConnectBlocked, account.ID, first.Token.ID, mqtt.Banned},
		{"a wrong short key", "x", short(narrow.ID), happening.ConnectRejected, owner, narrow.ID, mqtt.BadUserNameOrPassword},
		{"SCRAM without a verifier", "", nil, happening.ConnectRejected, owner, narrow.ID, mqtt.NotAuthorized},
		{"SCRAM with a wrong key", "", nil, happening.ConnectRejected, owner, scram.ID, mqtt.NotAuthorized},
		{"SCRAM of nobody", "", nil, 0, 0, 4711, mqtt.NotAuthorized},
		{"an unknown key", strings.Repeat("x", 64), nil, 0, 0, 0, mqtt.BadUserNameOrPassword},
		{"a short key of nobody", "x", short(4711), 0, 0, 0, mqtt.BadUserNameOrPassword},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := h.dial()
			p.t = t
			if strings.HasPrefix(c.name, "SCRAM") {
				u := &scramUser{id: fmt.Sprint(c.token), key: strings.Repeat("x", 64)}
				p.write(connectPacket(mqtt.V5, "told", "", withScram(u.first())))
				p.write(authPacket(mqtt.ContinueAuthentication, auth.ScramMethod, u.final(t, p.auth().Data)))
			} else {
				p.write(connectPacket(mqtt.V5, "told", c.key, c.change))
			}
			if got := p.refusal(); got != c.close {
				t.Errorf("refused by %v", got)
			}
			got := seen.take()
			if c.code == 0 {
				if len(got) > 0 {
					t.Errorf("recorded %+v", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("recorded %+v", got)
			}
			r := got[0]
			if r.Code != c.code || r.Account != int64(c.account) || r.Token != int64(c.token) || r.Close != int(c.close) ||
				r.ClientID != "told" || r.Transport != "tcp" || r.Source != p.conn.LocalAddr().String() || r.Reason == "" {
				t.Errorf("recorded %+v", r)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }
