package bench

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"alcove/internal/mqtt"
)

// A subscriber that does not read, or a little: its receive buffer, what it is sent
// before the measurement so that all buffers on the way are full, and how much it reads
// how often.
const (
	stalledBuffer  = 4 << 10
	stalledBytes   = 16 << 20
	stalledPayload = 1 << 10
	fillTime       = 2 * time.Second
	slowBytes      = 100
	slowPause      = 100 * time.Millisecond
)

// measureStalled measures the latency of a steady stream three times: alone, beside a
// subscriber of everything that never reads, and beside one that reads 1 KB a second.
func measureStalled(ctx context.Context, r *run, res *Result) error {
	if err := measureTraffic(ctx, r, res); err != nil {
		return err
	}
	alone, rates := res.Latency, res.Rates
	if err := r.besideStalled(ctx, 0, res); err != nil {
		return err
	}
	res.UnreadP50, res.UnreadP99, res.UnreadP999 = res.P50, res.P99, res.P999
	if err := r.besideStalled(ctx, slowPause, res); err != nil {
		return err
	}
	res.SlowP50, res.SlowP99, res.SlowP999 = res.P50, res.P99, res.P999
	res.Latency, res.Rates = alone, rates
	return nil
}

// besideStalled measures the traffic beside a subscriber that reads after each pause;
// 0: never.
func (r *run) besideStalled(ctx context.Context, pause time.Duration, res *Result) error {
	conns, err := r.open(ctx, []hello{
		{id: r.clientID(), clean: true, filters: []string{"bench/" + r.name + "/#"}},
		{id: r.clientID(), clean: true},
	})
	if err != nil {
		return err
	}
	var reading sync.WaitGroup
	defer reading.Wait()
	defer closeAll(conns)
	stalled := conns[0]
	if err := r.stuff(stalled, conns[1]); err != nil {
		return err
	}
	conns[1].Close()
	if pause > 0 {
		reading.Go(func() { readSlowly(stalled, pause) })
	}
	return measureTraffic(ctx, r, res)
}

// stuff publishes to the stalled subscriber alone until every buffer on the way to it
// is full. A broker that then holds the publisher back, or loses its messages, does well.
func (r *run) stuff(stalled, sender net.Conn) error {
	if c, ok := stalled.(interface{ SetReadBuffer(int) error }); ok {
		if err := c.SetReadBuffer(stalledBuffer); err != nil {
			return err
		}
	}
	tmpl := newTemplate(r.cfg.Version, "bench/"+r.name+"/fill", mqtt.QoS0, stalledPayload, usualBatch)
	sender.SetWriteDeadline(time.Now().Add(fillTime))
	for sent := 0; sent < stalledBytes; sent += len(tmpl.packets) {
		_, err := sender.Write(tmpl.packets)
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readSlowly reads a little after each pause, until the connection ends.
func readSlowly(conn net.Conn, pause time.Duration) {
	buf := make([]byte, slowBytes)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for range tick.C {
		if _, err := conn.Read(buf); err != nil {
			return
		}
	}
}
