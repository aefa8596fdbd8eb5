package isolation

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// audit compares, at the end of a world, what can be counted with the model of each
// account alone, and reads every list of every account.
func (w *world) audit() {
	for slot := range w.clients {
		for _, c := range w.clients[slot] {
			if c != nil && !c.alive() {
				w.ended(c)
			}
		}
	}
	for _, a := range w.accounts {
		if a.isBlocked() {
			continue
		}
		for _, path := range lists(a) {
			w.seen(a, "GET "+path, w.call(a.keys[0], "", "GET", path, ""))
		}
		w.sessionsOf(a)
	}
	for _, path := range []string{"/mqtt/messages/%23", "/mqtt/sessions/all", "/mqtt/logs", "/platform/customer/logs"} {
		got := w.call(w.b.Token, "", "GET", path, "")
		lookREST(got.body, func(owner *account, class byte) {
			w.failf("the operator sees the canary %q of %v in GET %s: …%s…", class, owner, path, around(got.body, owner))
		})
	}
}

// sessionsOf compares the list of an account's sessions with the model.
func (w *world) sessionsOf(a *account) {
	got := w.call(a.keys[0], "", "GET", "/mqtt/sessions/all?limit=1000", "")
	if got.status == 404 {
		return
	}
	var parsed struct {
		Result []struct {
			ClientID string      `json:"client_id"`
			CID      json.Number `json:"cid"`
			Count    int         `json:"subscriptions_count"`
		}
	}
	if err := json.Unmarshal(got.body, &parsed); err != nil || got.status != 200 {
		w.failf("%v: GET /mqtt/sessions/all: %d %.200s", a, got.status, got.body)
		return
	}
	var have, want []string
	for _, s := range parsed.Result {
		have = append(have, s.ClientID)
		if s.CID.String() != a.id {
			w.failf("%v: a session with cid %s", a, s.CID)
		}
	}
	for id := range w.sessions[a] {
		want = append(want, id)
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		w.failf("%v has sessions %q, the model %q", a, have, want)
	}
}

// ordered goes through a set in an order that does not change.
func ordered(set map[subscription]bool) iter.Seq[subscription] {
	list := make([]subscription, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b subscription) int {
		return slices.Compare([]string{a.filter(), a.by}, []string{b.filter(), b.by})
	})
	return slices.Values(list)
}

func (s *session) String() string {
	out := fmt.Sprintf("keeps %v narrow %v", s.keeps, s.narrow)
	for sub := range ordered(s.subs) {
		out += " " + sub.filter()
		if sub.by != "" {
			out += " (cid " + sub.by + ")"
		}
	}
	return out
}
