package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
	"alcove/internal/topic"
)

// messageFields are a message as POST /mqtt/messages takes it [EXT-REST-4].
type messageFields struct {
	Topic                 string          `json:"topic" doc:"Topic Name. With + or # and an empty payload: deletes the matching retained messages" example:"doors/3"`
	Payload               *string         `json:"payload,omitempty" doc:"Text; empty when no payload is given, which a topic with wildcards needs spelled out"`
	PayloadBase64         *string         `json:"payload_base64,omitempty" doc:"Any bytes, in the place of payload" contentEncoding:"base64"`
	QoS                   mqtt.QoS        `json:"qos,omitempty" enum:"0,1,2" default:"0"`
	Retain                *bool           `json:"retain,omitempty" doc:"Store as the topic's retained message; an empty payload clears it"`
	Retained              *bool           `json:"retained,omitempty" doc:"The older name of retain" deprecated:"true"`
	ExpiryInterval        *uint32         `json:"expiry_interval,omitempty" doc:"Seconds until the message expires" minimum:"0" maximum:"4294967295"`
	ContentType           *string         `json:"content_type,omitempty"`
	ResponseTopic         *string         `json:"response_topic,omitempty"`
	CorrelationData       *string         `json:"correlation_data,omitempty" doc:"Text"`
	CorrelationDataBase64 *string         `json:"correlation_data_base64,omitempty" doc:"Any bytes, in the place of correlation_data" contentEncoding:"base64"`
	UserProperties        *userProperties `json:"user_properties,omitempty"`
}

// messageList is a message, or an array of them, not looked into yet: each stands or
// falls by itself.
type messageList struct {
	items []json.RawMessage
	alone bool // no array
}

// UnmarshalJSON takes the items apart.
func (l *messageList) UnmarshalJSON(b []byte) error {
	if err := checkText(b); err != nil {
		return err
	}
	switch b = bytes.TrimLeft(b, " \t\r\n"); {
	case b[0] == '{':
		l.items, l.alone = []json.RawMessage{bytes.Clone(b)}, true
	case b[0] != '[':
		return errors.New("expected object or array")
	default:
		if err := json.Unmarshal(b, &l.items); err != nil {
			return err
		}
	}
	if n := len(l.items); n == 0 || n > maxItems {
		return errors.New("expected 1 to " + strconv.Itoa(maxItems) + " messages")
	}
	return nil
}

// Schema is that of a message or of an array of them.
func (messageList) Schema(r huma.Registry) *huma.Schema {
	one, most := 1, maxItems
	item := r.Schema(reflect.TypeFor[messageFields](), true, "")
	return &huma.Schema{OneOf: []*huma.Schema{item, {Type: huma.TypeArray, Items: item, MinItems: &one, MaxItems: &most}}}
}

type messageCreate struct {
	ActingIn
	Body messageList
}

// submitted is what became of a message.
type submitted struct {
	Topic       string `json:"topic"`
	Subscribers int    `json:"subscribers_count" doc:"Sessions of the account, online or persistent, that the message matched, and share groups"`
	Deleted     *int   `json:"deleted_count,omitempty" doc:"Retained messages that a topic with wildcards has deleted"`
}

func (s *server) registerMessages() {
	op := operation{"publish-messages", http.MethodPost, messagesPath, "Publish messages", tokenRight}
	o := op.declare()
	s.message = s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[messageFields](), true, "")
	// Each item is checked by itself, so that one bad item stops none of the others.
	o.SkipValidateBody = true
	o.Description = "Takes one message or an array. What is answered is durable: retained messages, and those in the " +
		"queues of persistent sessions. An item that is refused gets an entry in errors, which begins with its " +
		"place in the array; the result holds the others, in order. A body has 8 MiB at most."
	huma.Register(s.api, o, s.publishMessages)
	s.registerRetained()
}

func (s *server) publishMessages(ctx context.Context, in *messageCreate) (*output[submitted], error) {
	c := callerOf(ctx)
	list, places, errs := s.readMessages(&in.Body)
	if len(list) > 0 {
		by := broker.Submitter{Grant: c.grant, Account: c.account}
		var items []submitted
		for i, done := range s.broker.Submit(ctx, by, list) {
			if done.Err != nil {
				errs = append(errs, placed(describeMessage(done.Err), places[i], in.Body.alone))
				continue
			}
			item := submitted{Topic: string(list[i].Topic), Subscribers: done.Subscribers}
			if done.Deletion {
				item.Deleted = &done.Deleted
			}
			items = append(items, item)
		}
		if len(items) > 0 {
			s.published(ctx, items[0].Topic, len(items))
		}
		return answer(items, errs)
	}
	return answer[submitted](nil, errs)
}

// readMessages returns the well-formed items with their places in the array, and why
// the others are not.
func (s *server) readMessages(l *messageList) (list []broker.Submission, places []int, errs []Error) {
	for i, raw := range l.items {
		m, err := s.readMessage(raw)
		if err != nil {
			errs = append(errs, placed(describe(err), i, l.alone))
			continue
		}
		list, places = append(list, m), append(places, i)
	}
	return list, places, errs
}

// placed puts an item's place in the array before its error.
func placed(e Error, index int, alone bool) Error {
	if alone {
		return e
	}
	return itemField(e, index)
}

// readMessage checks one item by its schema, then what no schema says.
func (s *server) readMessage(raw json.RawMessage) (broker.Submission, error) {
	var f messageFields
	if err := s.decodeInto(s.message, "", raw, &f); err != nil {
		return broker.Submission{}, err
	}
	return f.submission()
}

// decodeInto decodes one JSON value, which has passed checkJSON and must fit a schema.
// field is its name, where it has one.
func (s *server) decodeInto(schema *huma.Schema, field string, raw []byte, v any) error {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		reason := "is not valid JSON"
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			reason = shorten(e.Value) + " is out of range"
		}
		return fail(http.StatusBadRequest, strings.TrimPrefix(field+": ", ": ")+reason)
	}
	var found huma.ValidateResult
	path := huma.NewPathBuffer(nil, 0)
	if field != "" {
		path.Push(field)
	}
	huma.Validate(s.api.OpenAPI().Components.Schemas, schema, path, huma.ModeWriteToServer, value, &found)
	if len(found.Errors) > 0 {
		return schemaFault(found.Errors[0])
	}
	if members, ok := value.(map[string]any); ok {
		for name, v := range members {
			if v == nil { // the schema takes it as not given
				return fieldFault(strings.TrimPrefix(field+"."+name, "."), "is null, which is no value for it")
			}
		}
	}
	err := json.Unmarshal(raw, v)
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fieldFault(strings.TrimPrefix(field+"."+e.Field, "."), "expected integer") // 1.0
	}
	return err
}

// schemaFault turns what the schema finds into an error that names the field.
func schemaFault(err error) error {
	d, ok := errors.AsType[*huma.ErrorDetail](err)
	switch {
	case !ok:
		return fail(http.StatusBadRequest, err.Error())
	case d.Location == "user_properties":
		return errUserProperties
	case d.Location == "":
		return fail(http.StatusBadRequest, d.Message)
	}
	return fieldFault(d.Location, d.Message)
}

func fieldFault(field, reason string) error { return fail(http.StatusBadRequest, field+": "+reason) }

// submission makes the message.
func (f *messageFields) submission() (broker.Submission, error) {
	m := broker.Submission{Topic: []byte(f.Topic), QoS: f.QoS}
	if f.Retain != nil && f.Retained != nil {
		return m, fieldFault("retained", "is the older name of retain, which is given too")
	}
	for _, retain := range []*bool{f.Retain, f.Retained} { // [EXT-REST-11]
		m.Retain = m.Retain || retain != nil && *retain
	}
	payload, err := eitherText("payload", f.Payload, f.PayloadBase64)
	if err != nil {
		return m, err
	}
	if payload == nil && topic.HasWildcard(m.Topic) {
		// A forgotten payload must not delete anything [EXT-RET-2].
		return m, fieldFault("payload", "must be given, empty, to delete by a topic with wildcards")
	}
	m.Payload = payload
	err = f.properties(&m.Props)
	return m, err
}

// properties fills in the properties, whose texts MQTT must be able to carry.
func (f *messageFields) properties(p *mqtt.PublishProps) (err error) {
	if f.ExpiryInterval != nil {
		p.MessageExpiry, p.HasMessageExpiry = *f.ExpiryInterval, true
	}
	if f.ContentType != nil {
		p.ContentType, p.HasContentType = []byte(*f.ContentType), true
		if err := checkField("content_type", p.ContentType); err != nil {
			return err
		}
	}
	if f.ResponseTopic != nil {
		p.ResponseTopic, p.HasResponseTopic = []byte(*f.ResponseTopic), true
		if err := topic.CheckName(p.ResponseTopic, 0); err != nil { // [MQTT-3.3.2-14]
			return fieldFault("response_topic", strings.TrimPrefix(err.Error(), "topic: "))
		}
	}
	if p.CorrelationData, err = eitherText("correlation_data", f.CorrelationData, f.CorrelationDataBase64); err != nil {
		return err
	}
	p.HasCorrelationData = p.CorrelationData != nil
	if len(p.CorrelationData) > mqtt.MaxString {
		return fieldFault("correlation_data", "is longer than 65,535 bytes")
	}
	if f.UserProperties != nil {
		p.User, err = f.UserProperties.encode()
	}
	return err
}

// eitherText returns what was given as text, or as base64, nil where neither was.
func eitherText(field string, text, encoded *string) ([]byte, error) {
	switch {
	case text != nil && encoded != nil:
		return nil, fieldFault(field+"_base64", "stands in the place of "+field+", which is given too")
	case text != nil:
		return []byte(*text), nil
	case encoded != nil:
		b, err := base64.StdEncoding.AppendDecode([]byte{}, []byte(*encoded))
		if err != nil {
			return nil, fieldFault(field+"_base64", "is not base64")
		}
		return b, nil
	}
	return nil, nil
}

// checkField tells why a text cannot be an MQTT string.
func checkField(field string, text []byte) error {
	switch {
	case len(text) > mqtt.MaxString:
		return fieldFault(field, "is longer than 65,535 bytes")
	case !mqtt.ValidText(text): // [MQTT-1.5.4-2]
		return fieldFault(field, "holds U+0000")
	}
	return nil
}

// describeMessage turns what the broker says of a message into what the caller is
// told, naming the field where there is one.
func describeMessage(err error) Error {
	e := describe(err)
	refused, _ := errors.AsType[*mqtt.Error](err)
	if refused == nil {
		return e
	}
	switch refused.Code {
	case mqtt.TopicFilterInvalid:
		e.Reason = "filter: " + strings.TrimPrefix(e.Reason, "topic: ")
	case mqtt.TopicNameInvalid, mqtt.NotAuthorized:
		e.Reason = "topic: " + strings.TrimPrefix(e.Reason, "topic: ")
	case mqtt.QoSNotSupported:
		e.Reason = "qos: " + e.Reason
	case mqtt.RetainNotSupported:
		e.Reason = "retain: " + e.Reason
	}
	return e
}
