package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"alcove/internal/mqtt"
)

// answers is how many retained messages a question is to return.
const answers = 10

// database is one measurement of retained messages as a database: shards of equally
// many topics, each stored by a connection of its own.
type database struct {
	r      *run
	res    *Result
	shards int
	each   int // topics of a shard
	rng    *rand.Rand
}

// measureDatabase stores retained messages, updates them at random, asks for ten of
// them in two ways, fetches all and deletes all.
func measureDatabase(ctx context.Context, r *run, res *Result) error {
	d := &database{r: r, res: res, shards: r.cfg.Connections, each: r.cfg.Count / r.cfg.Connections,
		rng: rand.New(rand.NewPCG(7, 11))}
	if err := d.possible(); err != nil {
		return err
	}
	res.Count = d.shards * d.each
	for _, step := range []func(context.Context) error{d.store, d.update, d.query, d.fetch, d.drop} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// possible refuses sizes for which the topics' digits or the questions do not suffice.
func (d *database) possible() error {
	if d.each <= answers || d.each >= 1e7 {
		return fmt.Errorf("%d messages of %d connections: more than %d and less than ten million of each are possible", d.r.cfg.Count, d.shards, answers)
	}
	return nil
}

func (d *database) topic(shard int, word string) string {
	return fmt.Sprintf("bench/%s/%d/%s", d.r.name, shard, word)
}

// load makes cells that publish retained messages, in turn over all topics of their
// shards, or at random without end.
func (d *database) load(ctx context.Context, serial bool) ([]*cell, error) {
	r := d.r
	greetings := make([]hello, d.shards)
	for i := range greetings {
		greetings[i] = hello{id: r.clientID(), clean: true}
	}
	conns, err := r.open(ctx, greetings)
	if err != nil {
		return nil, err
	}
	cells := make([]*cell, d.shards)
	for i, conn := range conns {
		c := r.newCell()
		c.pace.alone = true
		if serial {
			c.pace.limit = uint64(d.each)
		}
		tmpl := newTemplate(r.cfg.Version, d.topic(i, numberMark), c.qos, r.cfg.Payload, r.cfg.Batch)
		tmpl.retain()
		c.scatter = &scatter{digits: digits, count: uint32(d.each), serial: serial}
		c.scatter.locate(tmpl)
		c.judge, c.fan = orderJudge{}, 1
		c.enter(conn, tmpl, i)
		cells[i] = c
	}
	return cells, nil
}

// store fills the database and reads what a message takes of the broker's memory.
func (d *database) store(ctx context.Context) error {
	before, err := d.r.calm(ctx)
	if err != nil {
		return err
	}
	cells, err := d.load(ctx, true)
	if err != nil {
		return err
	}
	a, b, err := d.r.complete(ctx, cells)
	if err != nil {
		return err
	}
	d.res.rates(a, b)
	d.res.StoredPerS, d.res.CPUPerStore = d.res.InPerS, d.res.CPUPerPublish
	d.res.Sent = b.sent - a.sent
	after, err := d.r.calm(ctx)
	if err != nil {
		return err
	}
	if d.r.cfg.PID != 0 {
		d.res.RSSPerRetained = float64(after.usage.RSS-before.usage.RSS)/float64(d.res.Count) - float64(d.r.cfg.Payload)
	}
	return nil
}

// update publishes to random topics, all of which are present, for the time that is
// measured.
func (d *database) update(ctx context.Context) error {
	cells, err := d.load(ctx, false)
	if err != nil {
		return err
	}
	dr, err := d.r.begin(cells)
	if err != nil {
		return err
	}
	defer dr.end()
	if err := dr.wait(ctx, d.r.cfg.Warmup, dr.broken); err != nil {
		return err
	}
	a, err := d.r.sample()
	if err != nil {
		return err
	}
	if err := dr.wait(ctx, d.r.cfg.Duration, dr.broken); err != nil {
		return err
	}
	b, err := d.r.sample()
	if err != nil {
		return err
	}
	if err := dr.settle(ctx); err != nil {
		return err
	}
	var part Result
	part.rates(a, b)
	d.res.UpdatesPerS, d.res.CPUPerUpdate = part.InPerS, part.CPUPerPublish
	for _, c := range cells {
		c.mu.Lock()
		for _, p := range c.pubs {
			d.res.Sent += p.sent
			if p.acked != p.sent && c.first == nil {
				c.first = fmt.Errorf("%d of %d updates were acknowledged", p.acked, p.sent)
			}
		}
		err := c.first
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// query asks for ten messages by selectors and by time.
func (d *database) query(ctx context.Context) error {
	a, err := d.r.asker(ctx)
	if err != nil {
		return err
	}
	defer a.conn.Close()
	bySelectors, err := d.ask(ctx, a, d.selectors)
	if err != nil {
		return err
	}
	d.res.SelectP50, d.res.SelectP99, d.res.CPUPerSelect = bySelectors.p50, bySelectors.p99, bySelectors.cpu
	// The time to ask for is that of the last message seen: the broker's clock may be
	// ahead of ours, since its timestamps grow with every message.
	fresh := make(map[string]bool, answers+1)
	for len(fresh) < answers+1 {
		fresh[d.topic(d.rng.IntN(d.shards), fmt.Sprintf("%0*d", digits, d.rng.IntN(d.each)))] = true
	}
	payload := binaryForm.payload(d.r.cfg.Payload)
	binaryForm.write(payload, 0, uint64(d.each), 0)
	since := ""
	for topic := range fresh {
		if _, err := a.send(topic, payload); err != nil {
			return err
		}
		if since != "" {
			continue
		}
		if since, err = a.stampOf(topic); err != nil {
			return err
		}
		delete(fresh, topic)
	}
	d.res.Sent += answers + 1
	filter := fmt.Sprintf("$filter/modified_since=%s/bench/%s/#", since, d.r.name)
	byTime, err := d.ask(ctx, a, func() (string, map[string]bool) { return filter, fresh })
	if err != nil {
		return err
	}
	d.res.SinceP50, d.res.SinceP99, d.res.CPUPerSince = byTime.p50, byTime.p99, byTime.cpu
	return nil
}

// selectors returns a filter that matches ten random topics, and these.
func (d *database) selectors() (filter string, want map[string]bool) {
	shards := d.rng.Perm(d.shards)[:min(2, d.shards)]
	words := make(map[string]bool)
	for len(words) < answers/len(shards) {
		words[fmt.Sprintf("%0*d", digits, d.rng.IntN(d.each))] = true
	}
	want = make(map[string]bool, answers)
	var first, second []string
	for _, shard := range shards {
		first = append(first, fmt.Sprint(shard))
	}
	for word := range words {
		second = append(second, word)
		for _, shard := range shards {
			want[d.topic(shard, word)] = true
		}
	}
	return fmt.Sprintf("bench/%s/%s/%s", d.r.name, strings.Join(first, ","), strings.Join(second, ",")), want
}

// asked is what questions of one kind took, in microseconds.
type asked struct{ p50, p99, cpu float64 }

// leastQuestions is how often a question is asked, if the time measured is over before.
const leastQuestions = 20

// ask asks questions one after the other for the time that is measured, and checks
// that each is answered with exactly the topics that it is about.
func (d *database) ask(ctx context.Context, a *asker, next func() (string, map[string]bool)) (asked, error) {
	var hist Histogram
	from, err := d.r.sample()
	if err != nil {
		return asked{}, err
	}
	start := time.Now()
	for hist.Count() < leastQuestions || time.Since(start) < d.r.cfg.Duration {
		if ctx.Err() != nil {
			return asked{}, ctx.Err()
		}
		filter, want := next()
		came := make(map[string]bool, len(want))
		took, err := a.ask(filter, func(_ mqtt.Header, body []byte) {
			topic := body[2 : 2+int(body[0])<<8+int(body[1])]
			d.res.Received++
			switch {
			case !want[string(topic)]:
				d.res.note(fmt.Errorf("a retained message of %s came for %s", topic, filter))
			case came[string(topic)]:
				d.res.Duplicated++
			}
			came[string(topic)] = true
		})
		if err != nil {
			return asked{}, err
		}
		for topic := range want {
			if !came[topic] {
				d.res.Lost++
			}
		}
		hist.Record(int64(took))
	}
	to, err := d.r.sample()
	if err != nil {
		return asked{}, err
	}
	return asked{p50: float64(hist.Quantile(0.5)) / 1e3, p99: float64(hist.Quantile(0.99)) / 1e3,
		cpu: float64((to.usage.CPU - from.usage.CPU).Microseconds()) / float64(hist.Count())}, nil
}

// fetch takes every message by one subscription of each shard: every topic once.
func (d *database) fetch(ctx context.Context) error {
	cells := make([]*cell, d.shards)
	greetings := make([]hello, d.shards)
	for i := range cells {
		c := d.r.newCell()
		topic := d.topic(i, numberMark)
		c.judge, c.fan = topicJudge{placesOf(topic)[0]}, 1
		c.pubs = []*publisher{{sent: uint64(d.each), acked: uint64(d.each)}} // another connection sent and has gone
		cells[i] = c
		greetings[i] = hello{id: d.r.clientID(), clean: true, eager: true, filters: []string{d.topic(i, "#")}, qos: d.r.qos()}
	}
	var part Result
	from, to, err := d.r.fetch(ctx, greetings, cells, &part)
	if err != nil {
		return err
	}
	part.rates(from, to)
	res := d.res
	res.OutPerS, res.RSS = part.OutPerS, to.usage.RSS
	res.Received += part.Received
	res.Lost += part.Lost
	res.Duplicated += part.Duplicated
	res.OutOfOrder += part.OutOfOrder
	if part.FirstError != "" && res.FirstError == "" {
		res.FirstError = part.FirstError
	}
	return nil
}

// drop deletes everything by one message.
func (d *database) drop(ctx context.Context) error {
	a, err := d.r.asker(ctx)
	if err != nil {
		return err
	}
	defer a.conn.Close()
	start := time.Now()
	n, err := a.deleteAll("bench/" + d.r.name + "/#")
	if err != nil {
		return err
	}
	d.res.DeletedPerS = float64(n) / time.Since(start).Seconds()
	if n != d.res.Count {
		d.res.note(fmt.Errorf("%d messages were deleted, of %d", n, d.res.Count))
	}
	return nil
}

// calmTime bounds how long a broker may take to give memory back, calmStep is how
// often it is looked at, and calmShare by which share it may still shrink.
const (
	calmTime  = 20 * time.Second
	calmStep  = 1500 * time.Millisecond
	calmShare = 0.005
)

// calm waits until the broker's memory does not shrink any more.
func (r *run) calm(ctx context.Context) (sample, error) {
	before, err := r.sample()
	if err != nil || r.cfg.PID == 0 {
		return before, err
	}
	for start := time.Now(); time.Since(start) < calmTime; {
		if err := r.rest(ctx, calmStep); err != nil {
			return before, err
		}
		now, err := r.sample()
		if err != nil {
			return before, err
		}
		shrunk := float64(before.usage.RSS - now.usage.RSS)
		if before = now; time.Since(start) > 2*calmStep && shrunk < calmShare*float64(now.usage.RSS) {
			break
		}
	}
	return before, nil
}

// note counts an error and keeps the first.
func (res *Result) note(err error) {
	res.Errors++
	if res.FirstError == "" {
		res.FirstError = err.Error()
	}
}

// qos returns the run's quality of service.
func (r *run) qos() mqtt.QoS { return mqtt.QoS(r.cfg.QoS) }
