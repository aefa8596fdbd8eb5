package broker

import (
	"strings"

	"alcove/internal/event"
	"alcove/internal/expr"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// condition is one expression of "$filter", compiled: one object for all the
// subscriptions with the same text, so that a message is asked once [EXT-FIL-3].
type condition struct {
	program *expr.Program
	message bool // about the message's parts, not about its payload as JSON [EXT-FIL-2]
}

// conditionSet is what a subscription demands: all of it must hold; nil is none.
type conditionSet [2]*condition

func (c *conditionSet) none() bool { return c[0] == nil && c[1] == nil }

// conditions finds a condition while any subscription holds it.
type conditions struct {
	weakly[conditionKey, condition]
}

type conditionKey struct {
	source  string
	message bool
}

// of returns the condition with this text; an error is the expression's
// [EXT-EXP-2].
func (c *conditions) of(source string, message bool) (*condition, error) {
	key := conditionKey{source, message}
	if known := c.find(key); known != nil {
		return known, nil
	}
	// The source is a part of a packet's text, which it would keep alive.
	key.source = strings.Clone(source)
	program, err := expr.Compile(key.source)
	if err != nil {
		return nil, err
	}
	return c.share(key, &condition{program: program, message: message}), nil
}

// compile returns the conditions of a filter's items. The error names the column in
// the filter's text as it was sent [EXT-FIL-1].
func (c *conditions) compile(f *topic.Filter) (set conditionSet, err error) {
	for i, part := range [...]struct {
		name, source string
		column       func(int) int
	}{
		{"payload", f.Items.Payload, f.PayloadColumn},
		{"message", f.Items.Message, f.MessageColumn},
	} {
		if part.source == "" {
			continue
		}
		if set[i], err = c.of(part.source, part.name == "message"); err != nil {
			return set, explain(err, part.name, part.column)
		}
	}
	return set, nil
}

// must is compile for a filter that has been compiled before.
func (c *conditions) must(f *topic.Filter) conditionSet {
	set, err := c.compile(f)
	if err != nil {
		panic("broker: a condition that had compiled does not: " + err.Error())
	}
	return set
}

// judge asks conditions about one message. It belongs to a Turn; what it has read of
// the message serves all of them: the payload is parsed once, and only if one of them
// wants it [EXT-FIL-3].
type judge struct {
	m       *Message
	json    verdict // whether the payload is JSON
	parts   bool    // message holds the parts of m
	payload expr.Input
	message expr.Input
	view    expr.Message

	verdicts []verdict // of the route's conditions
	steps    int       // spent on m
}

type verdict uint8

const (
	unknown verdict = iota
	passes
	fails
)

func verdictOf(ok bool) verdict {
	if ok {
		return passes
	}
	return fails
}

// spent stands in judge.steps once the account has been told that they are.
const spent = 1 << 40

// forget lets the message go: its memory is about to be used for another one.
func (j *judge) forget() { j.m = nil }

// begin makes room for the verdicts about a route's conditions.
func (j *judge) begin(n int) {
	if cap(j.verdicts) < n {
		j.verdicts = make([]verdict, n)
	}
	j.verdicts = j.verdicts[:n]
	clear(j.verdicts)
}

// asks tells whether m meets c. m has its stamp.
func (t *Turn) asks(c *condition, m *Message) bool {
	j := &t.judge
	if j.m != m {
		j.m, j.json, j.parts, j.steps = m, unknown, false, 0
	}
	if j.steps > messageSteps {
		t.b.stats.Unasked.Add(1)
		if j.steps < spent {
			j.steps = spent // told once for a message
			t.noteDrop(event.Record{Code: event.MessageDropped, Account: int64(m.Account)}, string(m.Topic),
				"the expressions of filters ask too much of one message: some were not asked")
		}
		return false
	}
	now := float64(t.Now.UnixMicro()) / 1e6
	if c.message {
		if !j.parts {
			j.parts = true
			t.view(m)
			j.message.SetMessage(&j.view, now)
		}
		return t.match(c, &j.message)
	}
	if j.json == unknown {
		j.json = verdictOf(j.payload.SetJSON(m.Payload, now))
	}
	return j.json == passes && t.match(c, &j.payload)
}

// match asks c, and pays for it.
func (t *Turn) match(c *condition, in *expr.Input) bool {
	ok := c.program.Match(in)
	n := in.Spent()
	t.judge.steps += n
	t.steps += n
	return ok
}

// Laden tells that conditions have taken so much of the turn that the connection whose
// message was just published has to let others go first: its next one may be as dear.
func (t *Turn) Laden() bool { return t.steps > messageSteps/4 }

// view shows m to "message=" [EXT-FIL-2]: its user properties are those that a
// subscriber is sent, the broker's own among them [EXT-UP-8].
func (t *Turn) view(m *Message) {
	v := &t.judge.view
	*v = expr.Message{
		Topic: m.Topic, Payload: m.Payload, CID: int64(m.Account),
		Timestamp: float64(m.Stamp) / 1e6, QoS: byte(m.QoS), Retain: m.Retain,
		User: v.User[:0],
	}
	forward, stamps := t.dressing.of(m)
	for key, value := range mqtt.ForwardUser(forward).All() {
		v.User = append(v.User, [2][]byte{key, value})
	}
	for key, value := range mqtt.UserProperties(stamps).All() {
		v.User = append(v.User, [2][]byte{key, value})
	}
}

// meets tells whether m meets all of the set.
func (t *Turn) meets(set *conditionSet, m *Message) bool {
	for _, c := range set {
		if c != nil && !t.asks(c, m) {
			return false
		}
	}
	return true
}

// explain is an expression's error as a client is told it.
func explain(err error, item string, column func(int) int) error {
	if e, ok := err.(*expr.Error); ok {
		return &topic.Error{Kind: topic.FilterItem, Reason: item + ": " + e.Reason, Column: column(e.Column)}
	}
	return err
}
