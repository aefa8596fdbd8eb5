package api

import (
	"context"
	"net/http"
	"strings"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// subscriptionFields are a subscription as POST takes it: what a SUBSCRIBE says of one
// filter [EXT-REST-4].
type subscriptionFields struct {
	Topic             string   `json:"topic" minLength:"1" maxLength:"65535" doc:"Topic Filter, with selectors, $share/<group>/ and $filter/<items>/ as in SUBSCRIBE" example:"doors/+"`
	QoS               mqtt.QoS `json:"qos,omitempty" enum:"0,1,2" default:"0"`
	NoLocal           bool     `json:"no_local,omitempty" doc:"Not what the session's own client publishes"`
	RetainAsPublished bool     `json:"rap,omitempty" doc:"Messages keep the publisher's retain flag"`
	RetainHandling    int      `json:"retain_handling,omitempty" enum:"0,1,2" default:"0" doc:"Retained messages: 0 send, 1 only for a new subscription, 2 do not send"`
	SubscriptionID    uint32   `json:"subscription_id,omitempty" minimum:"0" maximum:"268435455" doc:"Comes with each message to MQTT 5 clients; 0 = none"`
	Account           int64    `json:"cid,omitempty" minimum:"0" maximum:"1099511627775" doc:"Only messages of this account, own or below; 0 = all"`
}

// shownSubscription is a subscription of one of the selected sessions.
type shownSubscription struct {
	Session           int64          `json:"session_id"`
	Topic             string         `json:"topic"`
	QoS               mqtt.QoS       `json:"qos"`
	NoLocal           bool           `json:"no_local"`
	RetainAsPublished bool           `json:"rap"`
	RetainHandling    int            `json:"retain_handling"`
	SubscriptionID    uint32         `json:"subscription_id"`
	Account           auth.AccountID `json:"cid,omitempty" doc:"Where only messages of this account are taken"`
}

func showSubscription(session int64, i *broker.SubscriptionInfo) shownSubscription {
	return shownSubscription{
		session, i.Topic, i.QoS, i.NoLocal, i.RetainAsPublished, int(i.RetainHandling), i.SubscriptionID, i.Account,
	}
}

// removedSubscription says what is gone.
type removedSubscription struct {
	Session int64  `json:"session_id"`
	Topic   string `json:"topic"`
}

type subscriptionList struct {
	SessionPath
	Page
}

type subscriptionPick struct {
	SessionPath
	Page
	Subscription string `path:"subscription" doc:"all, or topic=<filter>, character by character; slashes may be written as they are or as %2F"`
}

type subscriptionCreate struct {
	SessionPath
	Body array[subscriptionFields]
}

type subscriptionDelete struct {
	SessionPath
	Subscription string `path:"subscription" doc:"all, or topic=<filter>, character by character"`
}

func (s *server) registerSubscriptions() {
	const all = sessionsPath + "/{selector}/subscriptions"
	add(s, operation{"list-subscriptions", http.MethodGet, all, "List the subscriptions of sessions", tokenRight},
		func(ctx context.Context, in *subscriptionList) (*output[shownSubscription], error) {
			return s.getSubscriptions(ctx, &subscriptionPick{SessionPath: in.SessionPath, Page: in.Page, Subscription: "all"})
		})
	add(s, operation{"get-subscriptions", http.MethodGet, all + "/{subscription}", "Get subscriptions of sessions", tokenRight},
		func(ctx context.Context, in *subscriptionPick) (*output[shownSubscription], error) {
			return s.getSubscriptions(ctx, in)
		})
	addArray[subscriptionFields](s, operation{"create-subscriptions", http.MethodPost, all, "Subscribe sessions, online or not", tokenRight}, s.createSubscriptions)
	add(s, operation{"delete-subscriptions", http.MethodDelete, all + "/{subscription}", "Unsubscribe sessions, online or not", tokenRight}, s.deleteSubscriptions)
}

// subscriptionSelector reads a selector of subscriptions: the filter that is meant, ""
// for all of them.
func subscriptionSelector(text string) (filter string, err error) {
	text = strings.TrimPrefix(text, foldMark)
	if text == "all" {
		return "", nil
	}
	filter, ok := strings.CutPrefix(text, "topic=")
	if !ok || filter == "" {
		return "", fail(http.StatusBadRequest, "subscription selector: must be all or topic=<filter>")
	}
	return filter, nil
}

func (s *server) getSubscriptions(ctx context.Context, in *subscriptionPick) (*output[shownSubscription], error) {
	c := callerOf(ctx)
	if err := c.manages(auth.GET); err != nil {
		return nil, err
	}
	filter, err := subscriptionSelector(in.Subscription)
	if err != nil {
		return nil, err
	}
	w := newWindow[shownSubscription](in.Page, "")
	missing, err := s.picked(ctx, in.Selector, func(i broker.SessionInfo) bool {
		if filter == "" && len(w.items) == w.limit {
			w.pass(i.Subscriptions) // only counted
			return true
		}
		list, err := s.sessions.Subscriptions(c.account, i.ID)
		if err != nil {
			return true // it ended meanwhile
		}
		for k := range list {
			if filter == "" || list[k].Topic == filter {
				w.put(showSubscription(i.ID, &list[k]))
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if filter != "" && w.count == 0 {
		return nil, errNotFound
	}
	return w.answer(missing)
}

// specs makes what the broker is given; what is wrong with an item stands in its place
// of errs.
func (s *server) specs(a *array[subscriptionFields]) (specs []broker.SubscriptionSpec, places []int, errs []Error) {
	for i := range a.items {
		f := &a.items[i]
		err := checkField("topic", []byte(f.Topic))
		if err == nil && f.NoLocal && strings.HasPrefix(f.Topic, "$share/") { // [EXT-SHR-5]
			err = fieldFault("no_local", "is not possible with a shared subscription")
		}
		if err != nil {
			errs = append(errs, itemField(describe(err), a.places[i]))
			continue
		}
		places = append(places, a.places[i])
		specs = append(specs, broker.SubscriptionSpec{
			Filter: f.Topic, ID: f.SubscriptionID, Account: auth.AccountID(f.Account),
			Options: mqtt.SubscribeOptions{
				QoS: f.QoS, NoLocal: f.NoLocal, RetainAsPublished: f.RetainAsPublished, RetainHandling: byte(f.RetainHandling),
			},
		})
	}
	return specs, places, errs
}

// createSubscriptions adds each subscription to each of the sessions.
func (s *server) createSubscriptions(ctx context.Context, in *subscriptionCreate) (*output[shownSubscription], error) {
	c := callerOf(ctx)
	if err := c.manages(auth.POST); err != nil {
		return nil, err
	}
	malformed := in.Body.read(s)
	specs, places, errs := s.specs(&in.Body)
	errs = append(malformed, errs...)
	ids, missing, err := s.pickedIDs(ctx, in.Selector)
	if err != nil {
		return nil, err
	}
	errs = append(errs, missing...)
	var items []shownSubscription
	for _, id := range ids {
		if len(specs) == 0 {
			break
		}
		if len(items)+len(specs) > maxSubscribed {
			errs = append(errs, describeItem(fail(http.StatusBadRequest, "selector: too many sessions for so many subscriptions in one request"), id))
			break
		}
		refused, err := s.sessions.Subscribe(ctx, c.submitter(), id, specs)
		if err != nil {
			errs = append(errs, describeItem(err, id))
			continue
		}
		for k := range specs {
			if refused[k] != nil {
				e := itemField(describeSubscription(refused[k]), places[k])
				e.ID = id
				errs = append(errs, e)
				continue
			}
			items = append(items, showSpec(id, &specs[k]))
		}
	}
	return answer(items, errs)
}

// pickedIDs returns the ids of the sessions that a selector picks.
func (s *server) pickedIDs(ctx context.Context, text string) (ids []int64, missing []Error, err error) {
	missing, err = s.picked(ctx, text, func(i broker.SessionInfo) bool {
		ids = append(ids, i.ID)
		return true
	})
	return ids, missing, err
}

func showSpec(session int64, x *broker.SubscriptionSpec) shownSubscription {
	o := &x.Options
	return shownSubscription{session, x.Filter, o.QoS, o.NoLocal, o.RetainAsPublished, int(o.RetainHandling), x.ID, x.Account}
}

// describeSubscription names the field of what the broker refuses.
func describeSubscription(err error) Error {
	e := describe(err)
	refused, ok := err.(*mqtt.Error)
	if !ok {
		return e
	}
	switch refused.Code {
	case mqtt.SharedSubscriptionsNotSupported, mqtt.WildcardSubscriptionsNotSupported, mqtt.SubscriptionIdentifiersNotSupported:
		e = Error{Code: http.StatusBadRequest, Reason: refused.Reason}
	}
	e.Reason = "topic: " + strings.TrimPrefix(e.Reason, "topic: ")
	return e
}

func (s *server) deleteSubscriptions(ctx context.Context, in *subscriptionDelete) (*output[removedSubscription], error) {
	c := callerOf(ctx)
	if err := c.manages(auth.DELETE); err != nil {
		return nil, err
	}
	filter, err := subscriptionSelector(in.Subscription)
	if err != nil {
		return nil, err
	}
	var filters []string
	if filter != "" {
		filters = []string{filter}
	}
	ids, errs, err := s.pickedIDs(ctx, in.Selector)
	if err != nil {
		return nil, err
	}
	var gone []removedSubscription
	for _, id := range ids {
		removed, err := s.sessions.Unsubscribe(ctx, c.submitter(), id, filters)
		if err != nil {
			errs = append(errs, describeItem(err, id))
			continue
		}
		for _, text := range removed {
			gone = append(gone, removedSubscription{id, text})
		}
	}
	if filter != "" && len(gone) == 0 && len(errs) == 0 {
		return nil, errNotFound
	}
	return answer(gone, errs)
}
