package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"alcove/cmd/alcove/internal/screen"
	"alcove/internal/client"
	"alcove/internal/mqtt"
)

// printer writes messages as a format string of mosquitto_sub says.
type printer struct {
	parts  []part
	pretty bool // JSON is indented
	safe   bool // for a terminal: control characters are escaped
}

// part is a piece of a format: literal text, or one sequence.
type part struct {
	literal string
	kind    byte // '%' or '@' for a sequence; 0 for a literal
	letter  byte
	left    bool // aligned to the left
	zero    bool // padded with zeros
	width   int
	most    int // longest output in characters; -1: any
}

// payloadError says that a payload does not fit the format; the message is passed over.
type payloadError struct{ topic string }

func (e *payloadError) Error() string {
	return fmt.Sprintf("message payload is not valid JSON on topic %s", e.topic)
}

const (
	percentLetters = "%ACDEFIJPRSUXjlmpqrtx"
	maxWidth       = 10_000
)

// newPrinter reads a format string.
func newPrinter(format string) (printer, error) {
	var p printer
	var literal []byte
	flush := func() {
		if len(literal) > 0 {
			p.parts = append(p.parts, part{literal: string(literal)})
			literal = nil
		}
	}
	for i := 0; i < len(format); i++ {
		c := format[i]
		switch c {
		case '\\':
			if i++; i == len(format) {
				return p, fmt.Errorf("format: nothing follows the last \\")
			}
			b, ok := escapes[format[i]]
			if !ok {
				return p, fmt.Errorf("format: unknown escape \\%c", format[i])
			}
			literal = append(literal, b)
		case '%', '@':
			q, n, err := parseSequence(format[i:])
			if err != nil {
				return p, err
			}
			i += n - 1
			if q.letter == c {
				literal = append(literal, c)
				continue
			}
			flush()
			p.parts = append(p.parts, q)
		default:
			literal = append(literal, c)
		}
	}
	flush()
	return p, nil
}

var escapes = map[byte]byte{
	'\\': '\\', '0': 0, 'a': '\a', 'e': 0x1b, 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v',
}

// parseSequence reads a sequence at the start of s and returns its length.
func parseSequence(s string) (q part, n int, err error) {
	q = part{kind: s[0], most: -1}
	i := 1
	if q.kind == '%' {
		for ; i < len(s) && (s[i] == '-' || s[i] == '0'); i++ {
			q.left = q.left || s[i] == '-'
			q.zero = q.zero || s[i] == '0'
		}
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		q.width, _ = strconv.Atoi(s[start:i])
		if i < len(s) && s[i] == '.' {
			i++
			start = i
			for i < len(s) && s[i] >= '0' && s[i] <= '9' {
				i++
			}
			q.most, _ = strconv.Atoi(s[start:i])
		}
		if q.width > maxWidth || i-start > 6 {
			return q, 0, fmt.Errorf("format: width over %d", maxWidth)
		}
	}
	if i == len(s) {
		return q, 0, fmt.Errorf("format: incomplete sequence %q", s)
	}
	q.letter = s[i]
	if q.kind == '%' && strings.IndexByte(percentLetters, q.letter) < 0 {
		return q, 0, fmt.Errorf("format: unknown sequence %q", s[:i+1])
	}
	if q.kind == '@' && q.letter != '@' && strings.IndexByte(clockLetters, q.letter) < 0 {
		return q, 0, fmt.Errorf("format: unknown sequence %q", s[:i+1])
	}
	return q, i + 1, nil
}

// print writes one message; now is when it came.
func (p *printer) print(w *bufio.Writer, m *client.Message, now time.Time) error {
	var out bytes.Buffer
	for _, q := range p.parts {
		var text string
		var err error
		switch q.kind {
		case 0:
			out.WriteString(q.literal)
			continue
		case '@':
			text = clockText(q.letter, now)
		default:
			if text, err = p.value(q.letter, m, now); err != nil {
				return err
			}
			text = q.fit(text)
		}
		if p.safe {
			text = screen.Escape(text)
		}
		out.WriteString(text)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// fit cuts and pads.
func (q *part) fit(text string) string {
	n := utf8.RuneCountInString(text)
	if q.most >= 0 && n > q.most && strings.IndexByte("CIRt", q.letter) >= 0 {
		text = string([]rune(text)[:q.most])
		n = q.most
	}
	if n >= q.width {
		return text
	}
	pad := strings.Repeat(" ", q.width-n)
	switch {
	case q.left:
		return text + pad
	case q.zero && strings.IndexByte("AEFlmSXx", q.letter) >= 0:
		return strings.Repeat("0", q.width-n) + text
	}
	return pad + text
}

// value returns what a % sequence stands for; nothing where the message has none.
func (p *printer) value(letter byte, m *client.Message, now time.Time) (string, error) {
	props := &m.Props
	switch letter {
	case 'A':
		return number(uint64(props.TopicAlias), props.HasTopicAlias), nil
	case 'C':
		return string(props.ContentType), nil
	case 'D':
		return string(props.CorrelationData), nil
	case 'E':
		return number(uint64(props.MessageExpiry), props.HasMessageExpiry), nil
	case 'F':
		return number(uint64(props.PayloadFormat), props.HasPayloadFormat), nil
	case 'I':
		return now.Format("2006-01-02T15:04:05-0700"), nil
	case 'j', 'J':
		return p.json(m, now, letter == 'J')
	case 'l':
		return strconv.Itoa(len(m.Payload)), nil
	case 'm':
		return strconv.Itoa(int(m.PacketID())), nil
	case 'P':
		var pairs []string
		for k, v := range props.User.All() {
			pairs = append(pairs, string(k)+":"+string(v))
		}
		return strings.Join(pairs, " "), nil
	case 'p':
		return string(m.Payload), nil
	case 'q':
		return strconv.Itoa(int(m.QoS)), nil
	case 'R':
		return string(props.ResponseTopic), nil
	case 'r':
		if m.Retain {
			return "1", nil
		}
		return "0", nil
	case 'S':
		var ids []string
		for _, id := range props.SubscriptionIDs {
			ids = append(ids, strconv.FormatUint(uint64(id), 10))
		}
		return strings.Join(ids, " "), nil
	case 't':
		return m.Topic, nil
	case 'U':
		return fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond()), nil
	case 'x':
		return hex.EncodeToString(m.Payload), nil
	}
	return strings.ToUpper(hex.EncodeToString(m.Payload)), nil // 'X'
}

func number(n uint64, present bool) string {
	if !present {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// json returns a message as JSON in mosquitto's order of fields. raw puts the payload
// in as JSON, else as text.
func (p *printer) json(m *client.Message, now time.Time, raw bool) (string, error) {
	var b jsonObject
	b.field("tst", now.Format("2006-01-02T15:04:05.000000Z0700"))
	b.field("topic", m.Topic)
	b.field("qos", int(m.QoS))
	b.field("retain", btoi(m.Retain))
	b.field("payloadlen", len(m.Payload))
	if m.QoS > 0 {
		b.field("mid", int(m.PacketID()))
	}
	if props := jsonProperties(&m.Props); len(props) > 0 {
		b.field("properties", json.RawMessage(props))
	}
	switch {
	case len(m.Payload) == 0:
		b.field("payload", nil)
	case raw:
		if !json.Valid(m.Payload) {
			return "", &payloadError{m.Topic}
		}
		var packed bytes.Buffer
		json.Compact(&packed, m.Payload)
		b.field("payload", json.RawMessage(packed.Bytes()))
	default:
		b.field("payload", string(m.Payload))
	}
	text := b.close()
	if p.pretty {
		var wide bytes.Buffer
		json.Indent(&wide, []byte(text), "", "\t")
		return wide.String(), nil
	}
	return text, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// jsonObject builds an object whose fields keep their order, repeated keys included.
type jsonObject struct{ bytes.Buffer }

func (b *jsonObject) field(key string, value any) {
	if b.Len() == 0 {
		b.WriteByte('{')
	} else {
		b.WriteByte(',')
	}
	b.Write(jsonText(key))
	b.WriteByte(':')
	b.Write(jsonText(value))
}

func (b *jsonObject) close() string {
	if b.Len() == 0 {
		return "{}"
	}
	b.WriteByte('}')
	return b.String()
}

// jsonText encodes without the escapes that are for HTML.
func jsonText(v any) []byte {
	if raw, ok := v.(json.RawMessage); ok {
		return raw
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // strings, numbers and nil cannot fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func jsonProperties(p *mqtt.PublishProps) []byte {
	var b jsonObject
	if p.HasContentType {
		b.field("content-type", string(p.ContentType))
	}
	if len(p.User) > 0 {
		var user jsonObject
		for k, v := range p.User.All() {
			user.field(string(k), string(v))
		}
		b.field("user-properties", json.RawMessage(user.close()))
	}
	if p.HasResponseTopic {
		b.field("response-topic", string(p.ResponseTopic))
	}
	if p.HasCorrelationData {
		b.field("correlation-data", string(p.CorrelationData))
	}
	if p.HasPayloadFormat {
		b.field("payload-format-indicator", int(p.PayloadFormat))
	}
	if p.HasMessageExpiry {
		b.field("message-expiry-interval", p.MessageExpiry)
	}
	if p.HasTopicAlias {
		b.field("topic-alias", int(p.TopicAlias))
	}
	if len(p.SubscriptionIDs) > 0 {
		b.field("subscription-identifier", p.SubscriptionIDs)
	}
	if b.Len() == 0 {
		return nil
	}
	return []byte(b.close())
}
