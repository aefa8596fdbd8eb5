package broker_test

import (
	"context"
	"sort"
	"strings"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

func init() {
	commands["make"] = (*scenario).cmdMake // make token client_id [expires=] [account=]: a session by REST
	commands["list"] = (*scenario).cmdList // list token [account=]
	commands["end"] = (*scenario).cmdEnd   // end token client_id [account=]: the session is deleted by REST
	commands["kick"] = (*scenario).cmdKick // kick token client_id: its connection ends
	commands["add"] = (*scenario).cmdAdd   // add token client_id filter [filter …] [q=] [sid=] [rh=] [nl] [rap]
	commands["take"] = (*scenario).cmdTake // take token client_id [filter …]: unsubscribes it, of all without a filter
}

// aside runs f while the loops go on; what it says comes with the command.
func (s *scenario) aside(f func(ctx context.Context)) { go f(context.Background()) }

// idOf is the id by which REST knows a client's session; one that is there for nobody
// where it has none.
func (s *scenario) idOf(by broker.Submitter, clientID string) (id int64) {
	id = 77
	err := s.broker.EachSession(by.Account, func(name string) bool { return name == clientID }, func(i broker.SessionInfo) bool {
		id = i.ID
		return false
	})
	if err != nil {
		s.t.Error(err)
	}
	return id
}

func (s *scenario) cmdMake(a *args) {
	by, spec := s.submitter(a), broker.SessionSpec{ClientID: a.word(1), Expiry: uint32(a.number("expires", 0))}
	s.aside(func(ctx context.Context) {
		i, err := s.broker.CreateSession(ctx, by, spec)
		if err != nil {
			s.say("rest < %s", explain(err))
			return
		}
		s.say("rest < made %s expires=%d own=%v", i.ClientID, i.Expires, i.Token != 0)
	})
}

func (s *scenario) cmdList(a *args) {
	by := s.submitter(a)
	err := s.broker.EachSession(by.Account, nil, func(i broker.SessionInfo) bool {
		subs, err := s.broker.Subscriptions(by.Account, i.ID)
		if err != nil {
			s.t.Error(err)
		}
		var filters []string
		for _, sub := range subs {
			filters = append(filters, sub.Topic)
		}
		s.say("rest < %s connected=%v clean=%v expires=%d inflight=%d %s", i.ClientID, i.Connected, i.Clean, i.Expires, i.Inflight, filters)
		return true
	})
	if err != nil {
		s.say("rest < %s", explain(err))
	}
}

func (s *scenario) cmdEnd(a *args) {
	by := s.submitter(a)
	id := s.idOf(by, a.word(1))
	s.aside(func(ctx context.Context) { s.told(s.broker.DropSessions(ctx, by, []int64{id})[0]) })
}

func (s *scenario) cmdKick(a *args) {
	by := s.submitter(a)
	id := s.idOf(by, a.word(1))
	s.aside(func(ctx context.Context) { s.told(s.broker.Disconnect(ctx, by, id)) })
}

func (s *scenario) told(err error) {
	if err != nil {
		s.say("rest < %s", explain(err))
		return
	}
	s.say("rest < done")
}

func (s *scenario) cmdAdd(a *args) {
	by := s.submitter(a)
	id := s.idOf(by, a.word(1))
	var list []broker.SubscriptionSpec
	for _, w := range a.words[2:] {
		if w != "nl" && w != "rap" {
			list = append(list, broker.SubscriptionSpec{Filter: w, ID: uint32(a.number("sid", 0)), Options: mqtt.SubscribeOptions{
				QoS: mqtt.QoS(a.number("q", 0)), NoLocal: a.has("nl"), RetainAsPublished: a.has("rap"), RetainHandling: byte(a.number("rh", 0)),
			}})
		}
	}
	s.aside(func(ctx context.Context) {
		errs, err := s.broker.Subscribe(ctx, by, id, list)
		if err != nil {
			s.say("rest < %s", explain(err))
		}
		for _, err := range errs {
			s.told(err)
		}
	})
}

func (s *scenario) cmdTake(a *args) {
	by := s.submitter(a)
	id := s.idOf(by, a.word(1))
	var filters []string
	if len(a.words) > 2 {
		filters = a.words[2:]
	}
	s.aside(func(ctx context.Context) {
		removed, err := s.broker.Unsubscribe(ctx, by, id, filters)
		if err != nil {
			s.say("rest < %s", explain(err))
			return
		}
		sort.Strings(removed)
		s.say("rest < removed [%s]", strings.Join(removed, " "))
	})
}
