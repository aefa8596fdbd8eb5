package main

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"alcove/internal/client"
	"alcove/internal/mqtt"
)

// moment of the tests: a Friday in the 53rd ISO week of 2020.
var testTime = time.Date(2021, 1, 1, 4, 5, 6, 123456789, time.FixedZone("CET", 3600))

func testMessage() *client.Message {
	m := &client.Message{Topic: "x/a", Payload: []byte("hello"), QoS: 1, Retain: true}
	m.Props = mqtt.PublishProps{
		PayloadFormat: 1, HasPayloadFormat: true, MessageExpiry: 50, HasMessageExpiry: true,
		TopicAlias: 3, HasTopicAlias: true, ResponseTopic: []byte("r"), HasResponseTopic: true,
		CorrelationData: []byte("cd"), HasCorrelationData: true, ContentType: []byte("text/plain"), HasContentType: true,
		SubscriptionIDs: []uint32{4, 5},
	}
	m.Props.User = mqtt.AppendUser(mqtt.AppendUser(m.Props.User, "k", "v"), "k", "w")
	return m
}

func render(t *testing.T, p printer, m *client.Message) (string, error) {
	t.Helper()
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	err := p.print(w, m, testTime)
	w.Flush()
	return out.String(), err
}

func TestFormats(t *testing.T) {
	for format, want := range map[string]string{
		"%p":                  "hello",
		"%t %p":               "x/a hello",
		"%q|%r|%l|%m":         "1|1|5|0",
		"%x|%X":               "68656c6c6f|68656C6C6F",
		"%A|%C|%D|%E|%F|%R":   "3|text/plain|cd|50|1|r",
		"%P|%S":               "k:v k:w|4 5",
		"%I|%U":               "2021-01-01T04:05:06+0100|1609470306.123456789",
		"%%|@@|\\\\":          "%|@|\\",
		`\t\n\r\a\e\v\0`:      "\t\n\r\a\x1b\v\x00",
		"[%10t]":              "[       x/a]",
		"[%-10t]":             "[x/a       ]",
		"[%10.2t]":            "[        x/]",
		"[%05l][%-5l][%5l]":   "[00005][5    ][    5]",
		"[%05q]":              "[    1]",
		"[%8.3p]":             "[   hello]",
		"[%.4C]":              "[text]",
		"@Y-@m-@d @H:@M:@S":   "2021-01-01 04:05:06",
		"@a @A @b @B @j @e":   "Fri Friday Jan January 001  1",
		"@G-W@V-@u @w @U @W":  "2020-W53-5 5 00 00",
		"@s @N @y @C @g":      "1609470306 123456789 21 20 20",
		"@I @l @k @p @P @R":   "04  4  4 AM am 04:05",
		"@z @Z @D @F @T @X@n": "+0100 CET 01/01/21 2021-01-01 04:05:06 04:05:06\n",
		"%j": `{"tst":"2021-01-01T04:05:06.123456+0100","topic":"x/a","qos":1,"retain":1,"payloadlen":5,"mid":0,` +
			`"properties":{"content-type":"text/plain","user-properties":{"k":"v","k":"w"},"response-topic":"r",` +
			`"correlation-data":"cd","payload-format-indicator":1,"message-expiry-interval":50,"topic-alias":3,` +
			`"subscription-identifier":[4,5]},"payload":"hello"}`,
	} {
		p, err := newPrinter(format)
		if err != nil {
			t.Errorf("%q: %v", format, err)
			continue
		}
		if got, err := render(t, p, testMessage()); err != nil || got != want {
			t.Errorf("%q gives\n%q, %v, want\n%q", format, got, err, want)
		}
	}
}

func TestFormatsOfBareMessage(t *testing.T) {
	p, err := newPrinter("%t|%p|%r|%A|%C|%D|%E|%F|%P|%R|%S|%5E|%05E")
	if err != nil {
		t.Fatal(err)
	}
	want := "t||0|||||||||     |00000"
	if got, err := render(t, p, &client.Message{Topic: "t"}); err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestFormatJSONPayload(t *testing.T) {
	p, _ := newPrinter("%J")
	m := &client.Message{Topic: "t", Payload: []byte(`{"a": [1, 2]}`)}
	got, err := render(t, p, m)
	if want := `"payload":{"a":[1,2]}}`; err != nil || !strings.HasSuffix(got, want) {
		t.Errorf("%q, %v, want the end %q", got, err, want)
	}
	m.Payload = nil
	if got, err = render(t, p, m); err != nil || !strings.HasSuffix(got, `"payload":null}`) {
		t.Errorf("%q, %v", got, err)
	}
	m.Payload = []byte("not JSON")
	var bad *payloadError
	if got, err = render(t, p, m); !errors.As(err, &bad) || got != "" {
		t.Errorf("%q, %v", got, err)
	}
	p.pretty = true
	m.Payload = []byte("1")
	if got, err = render(t, p, m); err != nil || !strings.Contains(got, "\n\t\"topic\": \"t\"") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFormatsRefused(t *testing.T) {
	for _, format := range []string{"%", "%5", "%z", "@", "@%", `\`, `\q`, "%99999999999t"} {
		if _, err := newPrinter(format); err == nil {
			t.Errorf("%q is accepted", format)
		}
	}
}

// TestTerminalIsSafe: what comes from elsewhere must not reach a terminal as control
// characters; what the user's own format says may.
func TestTerminalIsSafe(t *testing.T) {
	m := &client.Message{Topic: "t\x1b[2J", Payload: []byte("a\x1b]0;x\x07\x9b\u0085\u202eb\r\n\tend\xff ü")}
	p, _ := newPrinter(`\e[1m%t\e[0m %p`)
	p.safe = true
	want := "\x1b[1mt\\x1b[2J\x1b[0m a\\x1b]0;x\\x07\\x9b\\u0085\\u202eb\\x0d\n\tend\\xff ü"
	if got, err := render(t, p, m); err != nil || got != want {
		t.Errorf("%q, %v, want\n%q", got, err, want)
	}
	p.safe = false
	if got, _ := render(t, p, m); !strings.HasSuffix(got, string(m.Payload)) {
		t.Errorf("the payload is changed where no terminal is: %q", got)
	}
}

func FuzzFormat(f *testing.F) {
	f.Add("%t %p @Y\\n", []byte("x"))
	f.Add("%-010.5t%%%j", []byte("{}"))
	f.Fuzz(func(t *testing.T, format string, payload []byte) {
		p, err := newPrinter(format)
		if err != nil {
			return
		}
		p.safe = true
		m := testMessage()
		m.Payload = payload
		render(t, p, m)
	})
}
