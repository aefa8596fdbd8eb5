package api

import (
	"bytes"
	"net/http"
	"time"
)

// outflow is an answer without a bound on its way: JSON that gathers and is sent piece by
// piece.
type outflow struct {
	out     http.ResponseWriter
	control *http.ResponseController
	buf     bytes.Buffer
	started bool  // something has been sent
	err     error // the first: what could not be made, or sent
}

// send writes what has gathered. Whoever takes nothing for streamTimeout is left.
func (f *outflow) send() {
	if !f.started {
		f.started = true
		f.out.Header().Set("Content-Type", "application/json")
		f.out.WriteHeader(http.StatusOK)
	}
	_ = f.control.SetWriteDeadline(time.Now().Add(streamTimeout))
	_, err := f.out.Write(f.buf.Bytes())
	if f.err == nil {
		f.err = err
	}
	if f.buf.Reset(); f.buf.Cap() > 4*streamBuffer {
		f.buf = bytes.Buffer{} // after a large message
	}
}
