package bench

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"alcove/internal/mqtt"
)

// The flood of a neighbour: so many connections that publish at floodFactor times the
// account's limit, or floodRate messages a second without one, to a topic with one
// subscriber. No faster: the driver shares the machine with what it measures.
const (
	floodConnections = 20
	floodLimit       = 60_000 // messages a minute
	floodFactor      = 10
	floodBatch       = 32
	floodRate        = 200_000
)

// measureNeighbour measures the latency of one account's messages three times: while
// it is alone, beside an account that floods at ten times its limit, and beside one
// that floods without a limit.
func measureNeighbour(ctx context.Context, r *run, res *Result) (err error) {
	own, err := r.customer(ctx, map[string]any{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.remove(ctx, "/platform/customers", own.ID)) }()
	var limits []tenant
	limit := []any{map[string]any{"name": "bench " + r.name, "mqtt_messages": floodLimit}}
	if err := r.cfg.REST(ctx, http.MethodPost, "/platform/limits", limit, &limits); err != nil {
		return err
	}
	if len(limits) != 1 {
		return errors.New("a limit: the broker answered without it")
	}
	defer func() { err = errors.Join(err, r.remove(ctx, "/platform/limits", limits[0].ID)) }()
	limited, err := r.customer(ctx, map[string]any{"limit_id": limits[0].ID})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.remove(ctx, "/platform/customers", limited.ID)) }()
	free, err := r.customer(ctx, map[string]any{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.remove(ctx, "/platform/customers", free.ID)) }()

	if _, err = r.beside(ctx, own, nil, 0, res); err != nil {
		return err
	}
	quiet := res.Latency
	res.QuietP99 = quiet.P99
	if res.LimitedPerS, err = r.beside(ctx, own, &limited, floodLimit/60*floodFactor, res); err != nil {
		return err
	}
	res.LimitedP99 = res.Latency.P99
	if res.FloodedPerS, err = r.beside(ctx, own, &free, floodRate, res); err != nil {
		return err
	}
	res.FloodedP99 = res.Latency.P99
	res.Latency = quiet
	return nil
}

// beside measures the latency of one account beside the flood of another, nil for
// none, and returns how many of its messages a second arrived.
func (r *run) beside(ctx context.Context, own tenant, other *tenant, rate float64, res *Result) (perS float64, err error) {
	defer func(token string) { r.cfg.Token = token }(r.cfg.Token)
	var f *flood
	if other != nil {
		r.cfg.Token = other.Token.Key
		if f, err = r.flood(ctx, rate); err != nil {
			return 0, err
		}
		defer f.end()
	}
	r.cfg.Token = own.Token.Key
	cells, err := r.build(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.drive(ctx, cells, res); err != nil || f == nil {
		return 0, err
	}
	return f.end(), nil
}

// flood is an account's publishers, each with a goroutine which the broker may stop,
// and their one subscriber.
type flood struct {
	conns []net.Conn
	stop  chan struct{}
	all   sync.WaitGroup
	once  sync.Once
	began time.Time
	bytes int64 // what the subscriber was sent
	each  int   // of a PUBLISH
	perS  float64
}

// flood begins a flood of so many messages a second, each connection with its share.
func (r *run) flood(ctx context.Context, rate float64) (*flood, error) {
	topic := "flood/" + r.name
	greetings := []hello{{id: r.clientID(), clean: true, filters: []string{topic}}}
	for range floodConnections {
		greetings = append(greetings, hello{id: r.clientID(), clean: true})
	}
	conns, err := r.open(ctx, greetings)
	if err != nil {
		return nil, err
	}
	tmpl := newTemplate(r.cfg.Version, topic, mqtt.QoS0, r.cfg.Payload, floodBatch)
	f := &flood{conns: conns, stop: make(chan struct{}), began: time.Now(), each: tmpl.size}
	f.all.Go(func() {
		buf := make([]byte, 256<<10)
		for {
			n, err := conns[0].Read(buf)
			if f.bytes += int64(n); err != nil {
				return
			}
		}
	})
	pause := time.Duration(floodBatch * floodConnections / rate * float64(time.Second))
	for _, c := range conns[1:] {
		f.all.Go(func() {
			for due := time.Now(); ; due = due.Add(pause) {
				select {
				case <-f.stop:
					return
				case <-time.After(time.Until(due)):
				}
				if _, err := c.Write(tmpl.packets); err != nil {
					return
				}
			}
		})
	}
	return f, nil
}

// end ends the flood and returns how many messages a second came through.
func (f *flood) end() float64 {
	f.once.Do(func() {
		took := time.Since(f.began)
		close(f.stop)
		for _, c := range f.conns {
			c.Close()
		}
		f.all.Wait()
		f.perS = float64(f.bytes) / float64(f.each) / took.Seconds()
	})
	return f.perS
}
