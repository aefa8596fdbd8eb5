package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alcove/internal/event"
)

// A flood of one kind is one line a second, with a count; control characters
// cannot break out of it [EXT-TOK-6].
func TestEventLogSumsUpFloods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := &eventLog{log: slog.New(slog.NewTextHandler(&out, nil))}
		for range 1000 {
			l.Event(event.Record{Code: event.PublishRejected, ClientID: "a\nlevel=ERROR", Topic: "t"})
		}
		l.Event(event.Record{Code: event.Accepted, ClientID: "debug only"})
		time.Sleep(eventEvery)
		l.Event(event.Record{Code: event.PublishRejected})
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], `client="a\nlevel=ERROR"`) || !strings.Contains(lines[1], "more=999") {
			t.Errorf("got %q", lines)
		}
	})
}
