package broker_test

import (
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

func init() {
	commands["limit"] = (*scenario).cmdLimit         // limit account mqtt_sessions=2 …: its limits, of an object of the operator
	commands["allowance"] = (*scenario).cmdAllowance // allowance name [times=]: what the server asks before each PUBLISH
	commands["dropaccount"] = (*scenario).cmdDropAccount
}

func (s *scenario) cmdLimit(a *args) {
	var spec auth.LimitSpec
	for name, field := range map[string]**int64{
		"mqtt_sessions": &spec.MQTTSessions, "mqtt_messages": &spec.MQTTMessages,
		"mqtt_session_storage": &spec.SessionStorage, "mqtt_retained_storage": &spec.RetainedStorage,
		"mqtt_subscriptions": &spec.Subscriptions,
	} {
		if _, ok := a.named[name]; ok {
			n := int64(a.number(name, 0))
			*field = &n
		}
	}
	account, _ := s.directory.Account(s.accounts[a.word(0)])
	if account.LimitID > 0 {
		if done := s.directory.UpdateLimits([]auth.LimitID{auth.LimitID(account.LimitID)}, spec); done[0].Err != nil {
			s.t.Fatalf("%s: %v", a.line, done[0].Err)
		}
		return
	}
	made, err := s.directory.CreateLimits(account.Parent, []auth.LimitSpec{spec}, time.Now())
	if err != nil || made[0].Err != nil {
		s.t.Fatalf("%s: %v %v", a.line, err, made)
	}
	id := int64(made[0].Limit.ID)
	if _, err := s.directory.UpdateAccount(account.ID, auth.AccountSpec{LimitID: &id}); err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
}

func (s *scenario) cmdAllowance(a *args) {
	for range a.number("times", 1) {
		s.do(func(t *broker.Turn) {
			if wait := s.links[a.word(0)].Allowance(t); wait > 0 {
				s.say("%s waits %v", a.word(0), wait)
			} else {
				s.say("%s may", a.word(0))
			}
		})
	}
}

func (s *scenario) cmdDropAccount(a *args) {
	gone, err := s.directory.DeleteAccount(s.accounts[a.word(0)])
	if err != nil {
		s.t.Fatalf("%s: %v", a.line, err)
	}
	dropped, err := s.broker.DropAccounts(gone.IDs)
	s.say("gone %d accounts %d tokens %d limits %+v %v", len(gone.IDs), gone.Tokens, gone.Limits, dropped, err)
}
