package broker

import (
	"context"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// Submission is an Application Message of a caller without a connection, such as
// REST. It is borrowed until Submit returns.
type Submission struct {
	Topic, Payload []byte
	// Props are the publisher's properties; their texts are legal.
	Props  mqtt.PublishProps
	QoS    mqtt.QoS
	Retain bool
}

// Submitter is in whose name messages are submitted and sessions managed.
type Submitter struct {
	// Grant is what the caller's token gives; its entries with POST are the rights
	// [EXT-TOK-5].
	Grant *auth.Grant
	// Account is where they are published: the grant's own, or one below it.
	Account auth.AccountID
	// Source and Transport are where the request came from, for the log; may be empty.
	Source, Transport string
}

// shown is the token that the account is told: none where the caller acts from an
// account above, which is not shown [EXT-ACC-2].
func (by *Submitter) shown() auth.TokenID {
	if by.Grant.Account != by.Account {
		return 0
	}
	return by.Grant.Token
}

// Submitted is what became of a Submission.
type Submitted struct {
	// Subscribers is how many sessions and share groups of the account the message
	// matched [EXT-UP-4].
	Subscribers int
	// Deleted is how many retained messages were deleted, where Deletion is set: the
	// topic had wildcards and the payload was empty [EXT-RET-2].
	Deleted  int
	Deletion bool
	// Err tells why the message was not taken, or not as a whole: an *mqtt.Error, an
	// *auth.QuotaError, auth.ErrNotFound, the context's error, or the store's.
	Err error

	ticket uint64
}

// A turn takes so many submissions, of so many bytes, before it ends and flushes
// what it gave to connections.
const (
	submitTurn      = 64
	submitTurnBytes = 256 << 10
)

// Submit publishes messages in order, each by itself: one that is refused stops none
// of the others. It returns when everything that was taken and must be durable is so
// [EXT-SES-4], or when ctx ends: then what was published stays published. The result
// has an entry for each message. It must not be called on a loop.
func (b *Broker) Submit(ctx context.Context, by Submitter, messages []Submission) []Submitted {
	done := make([]Submitted, len(messages))
	ns, ok := b.namespace(by.Account)
	if !ok {
		for i := range done {
			done[i].Err = auth.ErrNotFound
		}
		return done
	}
	rights, last := by.Grant.Rights(""), uint64(0)
	for i := 0; i < len(messages); {
		if isDeletion(&messages[i]) {
			done[i] = b.submitDeletion(ctx, ns, &by, rights, &messages[i])
			i++
			continue
		}
		from := i
		b.do(func(t *Turn) {
			for bytes := 0; i < len(messages) && i-from < submitTurn && bytes < submitTurnBytes && !isDeletion(&messages[i]); i++ {
				done[i] = t.submit(ns, &by, rights, &messages[i])
				last = max(last, done[i].ticket)
				bytes += len(messages[i].Payload)
			}
		})
		// As publishers are not read while too much waits for the disk.
		if b.commit.bytes.Load() >= commitBytes {
			if err := b.settled(ctx, b.commit.latest()); err != nil {
				for ; i < len(messages); i++ {
					done[i].Err = err
				}
			}
		}
	}
	if err := b.settled(ctx, last); err != nil {
		for i := range done {
			if done[i].Err == nil && !b.commit.ripe(done[i].ticket) {
				done[i].Err = err
			}
		}
	}
	return done
}

// isDeletion tells whether a message deletes retained ones [EXT-RET-2].
func isDeletion(m *Submission) bool { return len(m.Payload) == 0 && topic.HasWildcard(m.Topic) }

// submitDeletion deletes what the submitter may publish to.
func (b *Broker) submitDeletion(ctx context.Context, ns *Namespace, by *Submitter, rights *auth.Rights, m *Submission) Submitted {
	f, err := topic.Parse(string(m.Topic), b.limits.MaximumLevels)
	var refused *mqtt.Error
	switch reason := b.reserved(m.Topic); {
	case reason != "":
		refused = &mqtt.Error{Code: mqtt.TopicNameInvalid, Reason: reason}
	case err != nil:
		refused = &mqtt.Error{Code: mqtt.TopicNameInvalid, Reason: err.Error()}
	case by.Grant.MayREST(auth.POST, f) == auth.None:
		refused = errMayNotPublish
	}
	if refused == nil {
		b.do(func(t *Turn) {
			if ns.overRate(t) {
				refused = errMessages
			}
		})
	}
	if refused != nil {
		b.do(func(t *Turn) { t.submissionRefused(ns, by, m.Topic, refused) })
		return Submitted{Err: refused}
	}
	n, err := b.DeleteRetained(ctx, by.Account, f.Inner, func(name []byte) bool { return rights.RESTTopic(auth.POST, name) })
	return Submitted{Deleted: n, Deletion: true, Err: err}
}

var errMayNotPublish = &mqtt.Error{Code: mqtt.NotAuthorized, Reason: "the token may not publish to this topic"}

// submit publishes one message.
func (t *Turn) submit(ns *Namespace, by *Submitter, rights *auth.Rights, in *Submission) (done Submitted) {
	p := mqtt.Publish{QoS: in.QoS, Retain: in.Retain, Topic: in.Topic, Payload: in.Payload, Props: in.Props}
	if err := t.b.admits(ns, rights, &p); err != nil {
		t.submissionRefused(ns, by, p.Topic, err)
		done.Err = err
		return done
	}
	if ns.overRate(t) {
		t.submissionRefused(ns, by, p.Topic, errMessages)
		done.Err = errMessages
		return done
	}
	t.tally(ns).received(nil, &p)
	t.scratch.forward = p.Props.AppendForward(t.scratch.forward[:0])
	m := &t.scratch.message
	*m = Message{
		Topic: p.Topic, Payload: p.Payload, Forward: t.scratch.forward, QoS: p.QoS, Retain: p.Retain,
		Account: ns.account, Top: ns.top, Token: by.shown(), // [EXT-UP-2]
	}
	if p.Props.HasMessageExpiry {
		m.Expires = t.Now.UnixNano() + int64(p.Props.MessageExpiry)*1e9
	}
	var code mqtt.ReasonCode
	done.Subscribers, done.ticket, code = t.publish(ns, m)
	if code == mqtt.QuotaExceeded {
		done.Err = errRetainedStorage
	}
	return done
}

func (t *Turn) submissionRefused(ns *Namespace, by *Submitter, name []byte, err *mqtt.Error) {
	t.b.stats.Rejected.Add(1)
	t.tally(ns).rejected++
	r := ns.event(event.PublishRejected, by.shown())
	r.Origin = event.Message
	t.noteRefusal(r, name, err.Code, err.Reason)
}

// errMessages tells that the account's rate is used up: unlike a client, who submits is
// not made to wait [EXT-LIM-1].
var errMessages = limitReached("mqtt_messages")

// errRetainedStorage tells that a message was delivered but not stored as retained.
var errRetainedStorage error = &auth.QuotaError{Limit: "mqtt_retained_storage"}

// admits tells why a submitted message is not taken: what the broker offers, its
// name, the rights, its size, then what the broker can hold [EXT-UP-7].
func (b *Broker) admits(ns *Namespace, rights *auth.Rights, p *mqtt.Publish) *mqtt.Error {
	if err := b.offered(p); err != nil {
		return err.(*mqtt.Error)
	}
	if err := topic.CheckName(p.Topic, b.limits.MaximumLevels); err != nil {
		return &mqtt.Error{Code: mqtt.TopicNameInvalid, Reason: err.Error()}
	}
	if reason := b.reserved(p.Topic); reason != "" { // [EXT-TOP-1]
		return &mqtt.Error{Code: mqtt.TopicNameInvalid, Reason: reason}
	}
	if !rights.RESTTopic(auth.POST, p.Topic) { // [EXT-TOK-5]
		return errMayNotPublish
	}
	if p.Size(mqtt.V5) > int(b.limits.MaximumPacketSize) { // [EXT-LIM-1]
		return &mqtt.Error{Code: mqtt.PacketTooLarge, Reason: "the message is larger than the Maximum Packet Size"}
	}
	if (p.QoS > 0 || p.Retain) && ns.mayStore() && b.storeRefuses() {
		return &mqtt.Error{Code: mqtt.ServerUnavailable, Reason: errStoreFull}
	}
	return nil
}
