package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"alcove/internal/mqtt"
)

// restTime lets a broker finish what follows a burst before its memory is read.
const restTime = 2 * time.Second

// measureIdle opens connections with one subscription each and reads the broker's
// memory before and after.
func measureIdle(ctx context.Context, r *run, res *Result) error {
	if r.cfg.PID == 0 {
		return errNoPID
	}
	before, err := r.sample()
	if err != nil {
		return err
	}
	greetings := make([]hello, r.cfg.Connections)
	for i := range greetings {
		greetings[i] = hello{id: r.clientID(), clean: true, filters: []string{r.topic(i)}}
	}
	conns, err := r.open(ctx, greetings)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	opened, err := r.sample()
	if err != nil {
		return err
	}
	if err := r.rest(ctx, max(restTime, r.cfg.Duration)); err != nil {
		return err
	}
	after, err := r.sample()
	if err != nil {
		return err
	}
	res.Seconds = float64(opened.at-before.at) / 1e9
	res.CPUPerConnect = float64((opened.usage.CPU - before.usage.CPU).Microseconds()) / float64(len(conns))
	res.RSS = after.usage.RSS
	res.RSSPerConn = float64(after.usage.RSS-before.usage.RSS) / float64(len(conns))
	return nil
}

func (r *run) rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// measureConnect opens connections as fast as the broker takes them.
func measureConnect(ctx context.Context, r *run, res *Result) error {
	greetings := make([]hello, r.cfg.Connections)
	for i := range greetings {
		greetings[i] = hello{id: r.clientID(), clean: true}
	}
	a, err := r.sample()
	if err != nil {
		return err
	}
	conns, err := r.open(ctx, greetings)
	if err != nil {
		return err
	}
	defer closeAll(conns)
	b, err := r.sample()
	if err != nil {
		return err
	}
	res.Seconds = float64(b.at-a.at) / 1e9
	res.InPerS = float64(len(conns)) / res.Seconds
	res.CPUPerConnect = float64((b.usage.CPU - a.usage.CPU).Microseconds()) / float64(len(conns))
	res.CPUPerMsg = res.CPUPerConnect
	res.RSS = b.usage.RSS
	res.RSSPerConn = float64(b.usage.RSS-a.usage.RSS) / float64(len(conns))
	return nil
}

// digits is the width of a number in a topic of the scattered scenarios.
const digits = 7

// measureSubscriptions installs many filters, reads the memory, and publishes to
// random topics among them.
func measureSubscriptions(ctx context.Context, r *run, res *Result) error {
	before, err := r.sample()
	if err != nil {
		return err
	}
	wild := r.s.Name == "subs-wild"
	conns, err := r.open(ctx, r.filters(wild))
	if err != nil {
		return err
	}
	if err := r.rest(ctx, restTime); err != nil {
		return err
	}
	after, err := r.sample()
	if err != nil {
		return err
	}
	sender, err := r.open(ctx, []hello{{id: r.clientID(), clean: true}})
	if err != nil {
		return err
	}
	c := r.newCell()
	for _, conn := range conns {
		c.join(conn, 1)
	}
	topic, s, fan := r.scattered(wild)
	tmpl := newTemplate(r.cfg.Version, topic, c.qos, r.cfg.Payload, r.cfg.Batch)
	s.locate(tmpl)
	c.scatter, c.judge, c.fan = s, orderJudge{}, fan
	c.enter(sender[0], tmpl, 0)
	d, err := r.begin([]*cell{c})
	if err != nil {
		return err
	}
	defer d.end()
	if err := r.timed(ctx, d, res); err != nil {
		return err
	}
	res.RSSPerSub = float64(after.usage.RSS-before.usage.RSS) / float64(r.cfg.Count)
	return nil
}

// filters deals the filters of a scattered scenario to the connections. The wild ones
// have their wildcard in the last level or in the one before, so that a topic matches
// one of each kind, always on different connections.
func (r *run) filters(wild bool) []hello {
	greetings := make([]hello, r.cfg.Connections)
	for i := range greetings {
		greetings[i] = hello{id: r.clientID(), clean: true, qos: mqtt.QoS(r.cfg.QoS)}
	}
	add := func(i int, filter string) {
		h := &greetings[i%len(greetings)]
		h.filters = append(h.filters, filter)
	}
	prefix := "bench/" + r.name
	if !wild {
		for i := range r.cfg.Count {
			add(i, fmt.Sprintf("%s/%0*d/value", prefix, digits, i))
		}
		return greetings
	}
	half := len(greetings) / 2
	for i := range r.cfg.Count / 2 {
		add(i%max(1, half), fmt.Sprintf("%s/%0*d/+", prefix, digits, i))
		add(half+i%max(1, len(greetings)-half), fmt.Sprintf("%s/+/%0*d", prefix, digits, i))
	}
	return greetings
}

func (r *run) scattered(wild bool) (topic string, s *scatter, fan uint64) {
	s = &scatter{digits: digits, count: uint32(r.cfg.Count)}
	if wild {
		s.count = uint32(max(1, r.cfg.Count/2))
		return fmt.Sprintf("bench/%s/%s/%s", r.name, numberMark, numberMark), s, 2
	}
	return fmt.Sprintf("bench/%s/%s/value", r.name, numberMark), s, 1
}

// numberMark stands in a template's topic where the digits of a number go.
const numberMark = "???????"

// locate finds the places of the numbers in the template.
func (s *scatter) locate(t template) {
	text := string(t.packets[:t.size])
	for at := 0; ; {
		i := strings.Index(text[at:], numberMark)
		if i < 0 {
			return
		}
		s.at = append(s.at, at+i)
		at += i + len(numberMark)
	}
}

// measureDrain queues messages for sessions that are away and fetches them.
func measureDrain(ctx context.Context, r *run, res *Result) error {
	n := r.cfg.Connections
	away := make([]hello, n)
	senders := make([]hello, n)
	for i := range away {
		away[i] = hello{id: r.clientID(), expiry: 3600, filters: []string{r.topic(i)}, qos: mqtt.QoS(r.cfg.QoS)}
		senders[i] = hello{id: r.clientID(), clean: true}
	}
	conns, err := r.open(ctx, away)
	if err != nil {
		return err
	}
	closeAll(conns)
	if err := r.rest(ctx, restTime/4); err != nil {
		return err
	}
	if conns, err = r.open(ctx, senders); err != nil {
		return err
	}
	cells := make([]*cell, n)
	for i := range cells {
		c := r.newCell()
		c.pace.alone, c.pace.limit = true, uint64(max(1, r.cfg.Count/n))
		c.enter(conns[i], newTemplate(r.cfg.Version, r.topic(i), c.qos, r.cfg.Payload, r.cfg.Batch), i)
		cells[i] = c
	}
	a, b, err := r.complete(ctx, cells)
	if err != nil {
		return err
	}
	in := float64(b.sent-a.sent) / (float64(b.at-a.at) / 1e9)
	for i := range away {
		away[i].filters = nil
	}
	fetch, end, err := r.fetch(ctx, away, cells, res)
	if err != nil {
		return err
	}
	res.rates(fetch, end)
	res.InPerS, res.CPUPerPublish = in, 0
	return r.forget(ctx, away)
}

// complete drives cells whose publishers have a limit until all is acknowledged.
func (r *run) complete(ctx context.Context, cells []*cell) (a, b sample, err error) {
	if a, err = r.sample(); err != nil {
		return a, b, err
	}
	d, err := r.begin(cells)
	if err != nil {
		return a, b, err
	}
	defer d.end()
	err = d.wait(ctx, 0, func() bool { return d.settled() || d.broken() })
	if err == nil && !d.settled() {
		err = errors.New("the broker ended the publishers' connections")
		for _, c := range cells {
			if c.first != nil {
				err = c.first
			}
		}
	}
	if err != nil {
		return a, b, err
	}
	b, err = r.sample()
	return a, b, err
}

// fetch connects a subscriber for each of the cells, whose publishers have finished,
// and waits until everything has come.
func (r *run) fetch(ctx context.Context, greetings []hello, cells []*cell, res *Result) (a, b sample, err error) {
	if a, err = r.sample(); err != nil {
		return a, b, err
	}
	conns, err := r.open(ctx, greetings)
	if err != nil {
		return a, b, err
	}
	for i, c := range cells {
		c.pace.alone, c.stopped = false, true
		c.join(conns[i], len(c.pubs))
		c.retire()
	}
	d, err := r.begin(cells)
	if err != nil {
		return a, b, err
	}
	defer d.end()
	d.patience = fetchTime + time.Second
	before := r.meter.received.Load()
	got, idle := before, time.Now()
	err = d.wait(ctx, 0, func() bool {
		if n := r.meter.received.Load(); n != got {
			got, idle = n, time.Now()
		}
		limit := fetchPause
		if got == before {
			limit = fetchTime
		}
		return d.settled() || time.Since(idle) > limit
	})
	if err != nil {
		return a, b, err
	}
	if b, err = r.sample(); err != nil {
		return a, b, err
	}
	if !d.settled() {
		b.at = int64(idle.Sub(r.meter.zero)) // when the last message came
	}
	d.tally(res)
	return a, b, nil
}

// retire takes the publishers' connections, which are closed, out of the cell's work
// and keeps their counts.
func (c *cell) retire() {
	for _, p := range c.pubs {
		p.link = &link{cell: c, fd: -1, pub: p}
		p.retired = true
	}
}

// forget removes the sessions that a scenario has left.
func (r *run) forget(ctx context.Context, greetings []hello) error {
	for i := range greetings {
		greetings[i].clean, greetings[i].expiry = true, 0
	}
	conns, err := r.open(ctx, greetings)
	closeAll(conns)
	return err
}

// measureRetained stores retained messages under as many topics and fetches them by
// one wildcard subscription.
func measureRetained(ctx context.Context, r *run, res *Result) error {
	n := r.cfg.Connections
	senders := make([]hello, n)
	for i := range senders {
		senders[i] = hello{id: r.clientID(), clean: true}
	}
	each := uint64(max(1, r.cfg.Count/n))
	store := func(payload int) ([]*cell, error) {
		conns, err := r.open(ctx, senders)
		if err != nil {
			return nil, err
		}
		cells := make([]*cell, n)
		for i := range cells {
			c := r.newCell()
			c.pace.alone, c.pace.limit = true, each
			tmpl := newTemplate(r.cfg.Version, fmt.Sprintf("bench/%s/%d/%s", r.name, i, numberMark), c.qos, payload, r.cfg.Batch)
			tmpl.retain()
			c.scatter = &scatter{digits: digits, count: uint32(each), serial: true}
			c.judge, c.fan = onceJudge{}, 1
			c.scatter.locate(tmpl)
			c.enter(conns[i], tmpl, i)
			cells[i] = c
		}
		return cells, nil
	}
	cells, err := store(r.cfg.Payload)
	if err != nil {
		return err
	}
	a, b, err := r.complete(ctx, cells)
	if err != nil {
		return err
	}
	res.rates(a, b)
	in, cpu := res.InPerS, res.CPUPerMsg
	readers := make([]hello, n)
	for i := range readers {
		readers[i] = hello{id: r.clientID(), clean: true, eager: true,
			filters: []string{fmt.Sprintf("bench/%s/%d/#", r.name, i)}, qos: mqtt.QoS(r.cfg.QoS)}
	}
	fetch, end, err := r.fetch(ctx, readers, cells, res)
	if err != nil {
		return err
	}
	res.rates(fetch, end)
	res.InPerS, res.CPUPerMsg, res.CPUPerPublish = in, cpu, cpu
	empty, err := store(0)
	if err != nil {
		return err
	}
	_, _, err = r.complete(ctx, empty)
	return err
}
