package server

// wrap is what lies between a socket and its stream of MQTT packets: TLS,
// WebSocket, or both. A nil wrap is none of them.
type wrap struct {
	tls *tlsConn
	ws  *wsConn
}

// direct tells whether what the socket gives is what was sent: then an event comes
// for all that is to be read.
func (w *wrap) direct() bool { return w == nil || w.tls == nil }

// waiting tells whether the layers have something to write, beside the output. The
// caller holds out.mu.
func (w *wrap) waiting() bool {
	return w.ws != nil && w.ws.out.waiting() || w.tls != nil && w.tls.wire.waiting()
}

// writeOnce collects what waits, frames and encrypts it, and writes it; see
// Conn.writeOnce.
func (w *wrap) writeOnce(c *Conn, v *vector, most int) (taken int, blocked bool, err error) {
	o := &c.out
	if v.limit = most; w.tls != nil {
		v.limit = min(most, cipherBytes)
	}
	if w.ws != nil {
		w.ws.out.collect(o, v)
	} else {
		v.collect(&o.queue, v.limit)
	}
	o.mu.Unlock()
	var n, wrote int
	if w.tls == nil {
		n, err = c.sock.write(v)
		wrote = n
		blocked = err == errAgain || err == nil && n < v.total
		if err == errAgain {
			err = nil
		}
	} else {
		n, wrote, blocked, err = w.tls.write(c, v)
	}
	v.reset()
	c.loop.stats.bytesOut.Add(uint64(wrote))
	o.mu.Lock()
	if w.ws != nil {
		n = w.ws.out.wrote(n)
	}
	return n, blocked, err
}

// goodbye makes the last bytes of the next layer that has some, and tells whether
// there was one. The caller holds out.mu and the write turn; the lock is let go
// meanwhile.
func (w *wrap) goodbye(o *output) bool {
	switch {
	case w == nil:
		return false
	case w.ws != nil && !w.ws.out.closed:
		w.ws.out.close()
		return true
	case w.tls != nil && !w.tls.notified:
		w.tls.notified = true
		o.mu.Unlock()
		_ = w.tls.conn.CloseWrite() // only appends; a dead connection needs none
		o.mu.Lock()
		return true
	}
	return false
}

// close lets go what the layers hold.
func (w *wrap) close() {
	if w != nil && w.tls != nil {
		w.tls.wire.drop()
	}
}
