package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// streamedMessage is the data of an event.
type streamedMessage struct {
	retainedMessage
	Retain bool `json:"retain"`
}

// eventWriter writes a stream's events.
type eventWriter struct {
	out    http.ResponseWriter
	outlet *streamOutlet
	buf    bytes.Buffer
	spare  []streamed
}

// run writes until the reader goes, the broker ends the stream, or ending is closed.
func (w *eventWriter) run(ctx context.Context, ending <-chan struct{}) {
	quiet := time.NewTimer(streamIdle)
	defer quiet.Stop()
	for ok := w.flush(); ok; ok = w.flush() {
		quiet.Reset(streamIdle)
		select {
		case <-w.outlet.arrived:
			end, good := w.gathered()
			if !good {
				return
			}
			if end != nil {
				w.goodbye(end)
				return
			}
		case <-quiet.C:
			w.buf.WriteString(": still here\n\n")
		case <-ending:
			w.goodbye(&mqtt.Error{Code: mqtt.ServerUnavailable, Reason: "the server ends"})
			return
		case <-ctx.Done():
			return
		}
	}
}

// gathered writes the messages that have come. What came before the end goes out before
// it, unless the stream was ended for want of rights.
func (w *eventWriter) gathered() (end *mqtt.Error, ok bool) {
	queue, dropped, end := w.outlet.take(w.spare)
	if end != nil {
		return end, true
	}
	now := time.Now()
	for i := range queue {
		w.message(&queue[i], now)
		queue[i] = streamed{}
		if w.buf.Len() >= streamBuffer && !w.flush() {
			return nil, false
		}
	}
	w.spare = queue
	if dropped > 0 {
		w.event("dropped", map[string]int{"count": dropped})
	}
	return nil, true
}

// message writes one event. A text in JSON has no line feed, so it is one line.
func (w *eventWriter) message(x *streamed, now time.Time) {
	shown, err := showMessage(x.m, now)
	if err != nil || x.m.Expired(now) {
		return // properties were checked when it came in
	}
	w.buf.WriteString("id: ")
	id, _ := seconds(x.m.Stamp).MarshalJSON()
	w.buf.Write(id)
	w.buf.WriteString("\ndata: ")
	w.encode(streamedMessage{shown, x.retain})
	w.buf.WriteByte('\n')
}

// event writes an event of the stream's own.
func (w *eventWriter) event(name string, data any) {
	w.buf.WriteString("event: " + name + "\ndata: ")
	w.encode(data)
	w.buf.WriteByte('\n')
}

// encode writes JSON and a line feed.
func (w *eventWriter) encode(v any) {
	e := json.NewEncoder(&w.buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // into memory
}

// goodbye tells why the stream ends.
func (w *eventWriter) goodbye(why *mqtt.Error) {
	e := describe(why)
	if statusOf[why.Code] == 0 {
		e = Error{Code: http.StatusForbidden, Reason: why.Reason}
	}
	w.event("end", e)
	w.flush()
}

// flush sends what has gathered; false where the reader takes nothing.
func (w *eventWriter) flush() bool {
	if w.buf.Len() == 0 {
		return true
	}
	w.outlet.deadline()
	_, err := w.out.Write(w.buf.Bytes())
	if err == nil {
		err = w.outlet.control.Flush()
	}
	if w.buf.Reset(); w.buf.Cap() > 4*streamBuffer {
		w.buf = bytes.Buffer{} // after a large message
	}
	return err == nil
}

var _ broker.Outlet = (*streamOutlet)(nil)
