package auth

import "strconv"

// LimitID identifies a limit object. Ids are never used twice; 0 and -1 are none.
type LimitID int64

// Unlimited is the value of a limit that limits nothing.
const Unlimited = -1

// LimitValues are the limits of a limit object [EXT-LIM-1]. -1 is the parent's value;
// 0 is a value: none allowed.
type LimitValues struct {
	MQTTSessions    int64 `json:"mqtt_sessions"`         // sessions, online or not
	MQTTMessages    int64 `json:"mqtt_messages"`         // messages in, a minute
	SessionStorage  int64 `json:"mqtt_session_storage"`  // bytes queued for one session or share group, at most 1 GiB [EXT-SES-3]
	RetainedStorage int64 `json:"mqtt_retained_storage"` // bytes of retained messages
	Subscriptions   int64 `json:"mqtt_subscriptions"`    // subscriptions of all sessions together
	Tokens          int64 `json:"tokens_count"`          // tokens
	Subaccounts     int64 `json:"subaccounts_count"`     // accounts below, however deep
	Limits          int64 `json:"limits_count"`          // limit objects
	APICalls        int64 `json:"api_calls"`             // REST requests a minute
	APITraffic      int64 `json:"api_traffic"`           // bytes of REST requests and answers, a minute
	Blocking        int64 `json:"blocking_duration"`     // s that REST is refused after one of these two was reached
}

// limitCount is the number of the limits, and the length of LimitNames.
const limitCount = 11

// LimitNames are the limits as JSON spells them, in the order of LimitValues.
var LimitNames = [limitCount]string{
	"mqtt_sessions", "mqtt_messages", "mqtt_session_storage", "mqtt_retained_storage",
	"mqtt_subscriptions", "tokens_count", "subaccounts_count", "limits_count",
	"api_calls", "api_traffic", "blocking_duration",
}

// Places in LimitNames whose values follow a rule of their own.
const (
	limitStorage  = 2
	limitBlocking = limitCount - 1
)

func (v *LimitValues) all() [limitCount]*int64 {
	return [...]*int64{
		&v.MQTTSessions, &v.MQTTMessages, &v.SessionStorage, &v.RetainedStorage,
		&v.Subscriptions, &v.Tokens, &v.Subaccounts, &v.Limits,
		&v.APICalls, &v.APITraffic, &v.Blocking,
	}
}

// noLimits are values that leave everything to the parent, and limit nothing at the
// top.
func noLimits() LimitValues {
	var v LimitValues
	for _, p := range v.all() {
		*p = Unlimited
	}
	return v
}

// Limit is one limit object [EXT-ACC-4]: an account makes it for the accounts right
// below it, the operator for the top-level ones too. A value is a copy.
type Limit struct {
	ID          LimitID   `json:"id"`
	Account     AccountID `json:"cid"` // whose it is, not whom it limits
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Created     int64     `json:"created"` // UNIX s
	LimitValues
}

// LimitSpec is what a caller wants of a limit object. A nil field is left as it is; at
// creation a limit that is not given is the parent's.
type LimitSpec struct {
	Name            *string
	Description     *string
	MQTTSessions    *int64
	MQTTMessages    *int64
	SessionStorage  *int64
	RetainedStorage *int64
	Subscriptions   *int64
	Tokens          *int64
	Subaccounts     *int64
	Limits          *int64
	APICalls        *int64
	APITraffic      *int64
	Blocking        *int64
}

func (s *LimitSpec) all() [limitCount]*int64 {
	return [...]*int64{
		s.MQTTSessions, s.MQTTMessages, s.SessionStorage, s.RetainedStorage,
		s.Subscriptions, s.Tokens, s.Subaccounts, s.Limits,
		s.APICalls, s.APITraffic, s.Blocking,
	}
}

// apply returns l with the fields of the spec put over it, or a FieldError.
func (s *LimitSpec) apply(l Limit) (Limit, error) {
	if s.Name != nil {
		if err := checkText("name", *s.Name, MaxNameBytes); err != nil {
			return l, err
		}
		l.Name = *s.Name
	}
	if s.Description != nil {
		if err := checkText("description", *s.Description, MaxInfoBytes); err != nil {
			return l, err
		}
		l.Description = *s.Description
	}
	values := l.LimitValues.all()
	for i, n := range s.all() {
		if n == nil {
			continue
		}
		most := int64(MaxLimitValue)
		switch i {
		case limitStorage:
			most = MaxSessionStorage // [EXT-SES-3]
		case limitBlocking:
			most = MaxBlocking
		}
		if *n < Unlimited || *n > most {
			return l, fieldError(LimitNames[i], "must be between -1 and "+strconv.FormatInt(most, 10)+"; -1 is the parent's")
		}
		*values[i] = *n
	}
	return l, nil
}

// EffectiveLimits are the limits in force for an account: -1 is none. Immutable and
// shared.
type EffectiveLimits LimitValues

// unlimited are in force at the top, where no limit object is named [EXT-ACC-3].
var unlimited = (*EffectiveLimits)(new(noLimits()))

// under returns the limits of an account with these values whose parent has the given
// ones: its own where there is one, and never more than the parent's. Only the
// blocking duration, which is a sanction and no amount, may be longer or shorter.
func (v LimitValues) under(parent *EffectiveLimits) EffectiveLimits {
	e := *parent
	above := (*LimitValues)(&e).all()
	for i, own := range v.all() {
		if *own < 0 {
			continue
		}
		if i == limitBlocking || *above[i] < 0 || *own < *above[i] {
			*above[i] = *own
		}
	}
	return e
}
