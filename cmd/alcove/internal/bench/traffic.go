package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"alcove/internal/mqtt"
)

// newCell makes a cell with the run's settings.
func (r *run) newCell() *cell {
	c := &cell{version: r.cfg.Version, qos: mqtt.QoS(r.cfg.QoS), form: r.s.form, meter: r.meter}
	c.pace = pace{window: r.cfg.Window, batch: r.cfg.Batch, rate: r.cfg.Rate}
	if r.cfg.Rate > 0 {
		c.hist = new(Histogram)
		if c.qos == 0 {
			c.pace.step = r.cfg.Batch
		}
	}
	if r.s.kept {
		c.acks = new(Histogram)
	}
	return c
}

// join adds a subscriber to a cell of the given number of publishers.
func (c *cell) join(conn net.Conn, pubs int) {
	c.subs = append(c.subs, &link{cell: c, conn: conn, fd: -1, place: len(c.subs), own: -1, flows: make([]flow, pubs)})
}

// enter adds a publisher to a cell.
func (c *cell) enter(conn net.Conn, tmpl template, place int) {
	p := &publisher{number: uint32(len(c.pubs)), place: place, tmpl: tmpl, rng: rand.New(rand.NewPCG(1, uint64(place)))}
	if c.acks != nil {
		p.asked = make([]int64, c.pace.window)
	}
	p.link = &link{cell: c, conn: conn, fd: -1, pub: p}
	c.pubs = append(c.pubs, p)
}

// mirror adds a connection that subscribes to what it publishes.
func (c *cell) mirror(conn net.Conn, tmpl template, place int) {
	c.join(conn, 1)
	c.enter(conn, tmpl, place)
	both := c.subs[0]
	both.pub = c.pubs[0]
	c.pubs[0].link = both
}

// build opens the connections of a traffic scenario: subscribers first.
func (r *run) build(ctx context.Context) ([]*cell, error) {
	return r.buildWith(ctx, func(topic string) string { return topic })
}

// buildWith is build with filters made from the cells' topics.
func (r *run) buildWith(ctx context.Context, filter func(topic string) string) ([]*cell, error) {
	n, pubs, subs := r.s.shape(r.cfg.Connections)
	qos := mqtt.QoS(r.cfg.QoS)
	var greetings []hello
	for i := range n {
		for range subs {
			h := hello{id: r.clientID(), clean: !r.s.kept, filters: []string{filter(r.topic(i))}, qos: qos}
			if r.s.kept {
				h.expiry = keptTime
			}
			greetings = append(greetings, h)
		}
	}
	for range n * pubs {
		greetings = append(greetings, hello{id: r.clientID(), clean: true})
	}
	conns, err := r.open(ctx, greetings)
	if err != nil {
		return nil, err
	}
	if r.s.kept {
		r.left = append(r.left, greetings[:n*subs]...)
	}
	cells := make([]*cell, n)
	publishers := conns[n*subs:]
	for i := range cells {
		c := r.newCell()
		c.pace.share = n * pubs
		for j := range subs {
			c.join(conns[i*subs+j], pubs)
		}
		tmpl := r.s.form.template(r.cfg.Version, r.topic(i), qos, r.cfg.Payload, r.cfg.Batch)
		for j := range pubs {
			own := tmpl
			own.packets = append([]byte(nil), tmpl.packets...)
			c.enter(publishers[i*pubs+j], own, j*n+i)
		}
		cells[i] = c
	}
	return cells, nil
}

func (r *run) topic(i int) string { return fmt.Sprintf("bench/%s/%d", r.name, i) }

// measureTraffic runs publishers against subscribers for a time.
func measureTraffic(ctx context.Context, r *run, res *Result) error {
	cells, err := r.build(ctx)
	if err != nil {
		return err
	}
	return r.drive(ctx, cells, res)
}

// drive runs cells for the time that is measured.
func (r *run) drive(ctx context.Context, cells []*cell, res *Result) error {
	for _, c := range cells {
		c.pace.start = r.meter.now() + int64(10*time.Millisecond)
	}
	d, err := r.begin(cells)
	if err != nil {
		return err
	}
	defer d.end()
	defer r.meter.from.Store(0)
	return r.timed(ctx, d, res)
}

// timed lets a drive warm up, measures it for the configured time, and settles it.
func (r *run) timed(ctx context.Context, d *drive, res *Result) error {
	if err := d.wait(ctx, r.cfg.Warmup, d.broken); err != nil {
		return err
	}
	a, err := r.sample()
	if err != nil {
		return err
	}
	r.meter.to.Store(0)
	r.meter.from.Store(a.at)
	if err := d.wait(ctx, r.cfg.Duration, d.broken); err != nil {
		return err
	}
	b, err := r.sample()
	if err != nil {
		return err
	}
	r.meter.to.Store(b.at)
	res.rates(a, b)
	if err := d.settle(ctx); err != nil {
		return err
	}
	d.tally(res)
	if res.Received == 0 {
		if res.FirstError != "" {
			return errors.New(res.FirstError)
		}
		return errors.New("not one message arrived")
	}
	return nil
}

// broken reports whether every publisher's connection has ended.
func (d *drive) broken() bool {
	for _, c := range d.cells {
		c.mu.Lock()
		alive := false
		for _, p := range c.pubs {
			alive = alive || !p.link.dead
		}
		c.mu.Unlock()
		if alive {
			return false
		}
	}
	return true
}
