package event

import (
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// Origin is the kind of item that a record is about: the collection of REST in which
// the item is found.
type Origin uint8

// The origins.
const (
	Session    Origin = iota // an MQTT session; also connections that did not get one
	Account                  // the account itself
	Subaccount               // an account below it
	Customer                 // of the operator's log: a top-level account
	Token                    // a token
	Limit                    // a limit object
	Message                  // messages published or deleted by REST
	originCount
)

var originNames = [originCount]string{
	"mqtt/sessions", "platform/customer", "platform/subaccounts", "platform/customers",
	"platform/tokens", "platform/limits", "mqtt/messages",
}

// String is the path of the collection: "mqtt/sessions".
func (o Origin) String() string {
	if o >= originCount {
		return ""
	}
	return originNames[o]
}

// OfMQTT tells whether the records of this origin belong to the log of /mqtt; the
// others are of /platform [EXT-REST-4] [EXT-REST-5].
func (o Origin) OfMQTT() bool { return o == Session || o == Message }

// Record is one happening. Zero fields are not shown.
type Record struct {
	Time     int64  // UNIX microseconds; 0 until the log has taken it
	Code     Code   //
	Account  int64  // whose log it stands in
	Origin   Origin //
	OriginID int64  // the item: the id of the session, token, account, limit; 0 for none
	Token    int64  // who did it, or whose connection it was

	ClientID  string
	Topic     string // a Topic Name, a Topic Filter, or the path of a request
	Source    string // the address of who did it
	Transport string // tcp, tls, ws, wss, unix, http, mqtt
	Reason    string

	// Of a connection that has ended: how long it was, and how many PUBLISH packets
	// it sent, was sent, and had refused.
	Duration                      time.Duration
	Published, Received, Rejected uint64

	// Close is the Reason Code of an end or a refusal, the HTTP status of a request.
	Close int
	// Item is what was changed, as a JSON object that never holds a key; nil for none.
	Item json.RawMessage
	// Count is how many happenings of the same kind the record stands for; 0 and 1
	// are one [EXT-LOG-2].
	Count int
}

// MaxText is how many bytes of a text from outside a record keeps.
const MaxText = 1024

// AppendJSON appends the record as a JSON object: the field names of the contract,
// times in UNIX seconds. Texts are cut to MaxText bytes and are valid UTF-8 whatever
// they were.
func (r *Record) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"timestamp":`...)
	dst = AppendSeconds(dst, r.Time)
	dst = appendInt(dst, "event_code", int64(r.Code), true)
	dst = append(dst, `,"origin_type":"`...)
	dst = append(append(dst, r.Origin.String()...), '"')
	dst = appendInt(dst, "origin_id", r.OriginID, false)
	dst = appendInt(dst, "cid", r.Account, true)
	dst = appendInt(dst, "token_id", r.Token, false)
	dst = appendText(dst, "client_id", r.ClientID)
	dst = appendText(dst, "topic", r.Topic)
	dst = appendText(dst, "source", r.Source)
	dst = appendText(dst, "transport", r.Transport)
	ended := r.Code == Closed
	if ended || r.Duration != 0 {
		dst = append(dst, `,"duration":`...)
		dst = AppendSeconds(dst, r.Duration.Microseconds())
	}
	dst = appendInt(dst, "published", int64(r.Published), ended)
	dst = appendInt(dst, "received", int64(r.Received), ended)
	dst = appendInt(dst, "rejected", int64(r.Rejected), ended)
	dst = appendInt(dst, "close_code", int64(r.Close), ended)
	dst = appendText(dst, "reason", r.Reason)
	if len(r.Item) > 0 {
		dst = append(append(dst, `,"item":`...), r.Item...)
	}
	if r.Count > 1 {
		dst = appendInt(dst, "count", int64(r.Count), true)
	}
	return append(dst, '}')
}

// AppendSeconds appends microseconds as seconds, with six decimals.
func AppendSeconds(dst []byte, micros int64) []byte {
	if micros < 0 {
		dst, micros = append(dst, '-'), -micros
	}
	dst = strconv.AppendInt(dst, micros/1e6, 10)
	dst = append(dst, '.')
	var room [8]byte
	rest := strconv.AppendInt(room[:0], 1e6+micros%1e6, 10)
	return append(dst, rest[1:]...)
}

func appendInt(dst []byte, name string, v int64, always bool) []byte {
	if v == 0 && !always {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	return strconv.AppendInt(dst, v, 10)
}

func appendText(dst []byte, name, v string) []byte {
	if v == "" {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	return AppendText(dst, Cut(v))
}

// Cut shortens a text from outside to MaxText bytes, between two characters.
func Cut(v string) string {
	if len(v) <= MaxText {
		return v
	}
	n := MaxText
	for n > 0 && !utf8.RuneStart(v[n]) {
		n--
	}
	return v[:n] + "…"
}

// AppendText appends a JSON string. Control characters and what is not UTF-8 are
// escaped, so that no text from outside can act on a terminal or a page.
func AppendText(dst []byte, v string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(v); {
		c := v[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c < 0x20 || c == 0x7F || c == '<' || c == '>' || c == '&':
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				dst = append(dst, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(v[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, `\ufffd`...)
		case r >= 0x80 && r <= 0x9F || r == 0x2028 || r == 0x2029:
			dst = append(dst, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			dst = append(dst, v[i:i+n]...)
		}
		i += n
	}
	return append(dst, '"')
}
