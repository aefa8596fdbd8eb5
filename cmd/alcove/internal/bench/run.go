package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"alcove/internal/client"
	"alcove/internal/mqtt"
)

// Config says what to load and how. Zero values take the scenario's own.
type Config struct {
	Scenario    string
	Endpoint    client.Endpoint
	Version     mqtt.Version
	Token       string // user name of every connection; empty: none
	PID         int    // the broker's process, for CPU and memory; 0: not measured
	Warmup      time.Duration
	Duration    time.Duration
	Payload     int // bytes
	QoS         int // -1: the scenario's
	Connections int
	Count       int // subscriptions or messages, where a scenario has a number of them
	Window      int
	Batch       int     // messages in one write
	Rate        float64 // messages a second, which makes it an open loop
	Threads     int
	Progress    io.Writer // one line a second; nil: none
	GCTrace     string    // file with the broker's standard error, GODEBUG=gctrace=1; empty: none
	REST        Caller    // for scenarios that make accounts; nil: none
}

// run is one measurement under way.
type run struct {
	cfg   Config
	s     Scenario
	meter *meter
	name  string // prefix of topics and client identifiers, new for each run
	binds atomic.Uint32
	ids   atomic.Uint32
	left  []hello // sessions that outlive their connections, to be removed
}

// Limits of a drive: how long a closed loop may stand still before what is missing
// counts as lost, and how long the end waits for the last messages: in all, and while
// none comes.
const (
	stallTime  = 3 * time.Second
	settleTime = 1500 * time.Millisecond
	drainTime  = 10 * time.Second
	fetchTime  = 15 * time.Second // until the first of what a broker has kept comes,
	fetchPause = 6 * time.Second  // and from one to the next
	maxStalls  = 5
)

// Run measures one scenario.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	s, ok := Find(cfg.Scenario)
	if !ok {
		return nil, fmt.Errorf("unknown scenario %q; there are: %s", cfg.Scenario, strings.Join(Names(), ", "))
	}
	s.complete(&cfg)
	if least := s.form.least(); cfg.Payload < least {
		return nil, fmt.Errorf("payload of %d bytes: at least %d are needed for the sequence number and the time", cfg.Payload, least)
	}
	if cfg.QoS > 2 {
		return nil, fmt.Errorf("QoS %d does not exist", cfg.QoS)
	}
	if e := cfg.Endpoint.Transport; s.tls && e != client.TLS && e != client.WSS || s.ws && e != client.WS && e != client.WSS {
		return nil, fmt.Errorf("the URL %s has another transport", cfg.Endpoint)
	}
	r := &run{cfg: cfg, s: s, meter: &meter{clock: clock{time.Now()}}}
	r.name = "b" + strconv.FormatUint(uint64(rand.Uint32()), 36)
	if _, err := r.sample(); err != nil {
		return nil, err
	}
	res := &Result{Scenario: s.Name, URL: cfg.Endpoint.String(), Version: cfg.Version.String(), QoS: cfg.QoS,
		PayloadBytes: cfg.Payload, Connections: cfg.Connections, Count: cfg.Count}
	if err := s.measure(ctx, r, res); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	res.Errors += r.meter.errors.Load()
	return res, nil
}

// bind spreads connections over source addresses, since one address has only 28,000
// ports for a given destination.
func (r *run) bind() string {
	n := r.binds.Add(1)
	host, _, err := net.SplitHostPort(r.cfg.Endpoint.Address)
	if err != nil || runtime.GOOS != "linux" || r.cfg.Connections < 20_000 {
		return ""
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() || ip.To4() == nil {
		return ""
	}
	return "127.0.0." + strconv.Itoa(int(1+n/20_000))
}

// clientID returns a new client identifier of at most 23 characters, the most that
// MQTT 3.1 allows.
func (r *run) clientID() string { return r.name + "-" + strconv.Itoa(int(r.ids.Add(1))) }

// dialers is the number of connections opened at a time.
const dialers = 64

// open opens one connection for each greeting, many at a time.
func (r *run) open(ctx context.Context, greetings []hello) ([]net.Conn, error) {
	conns := make([]net.Conn, len(greetings))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(dialers, len(greetings)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(greetings) {
					return
				}
				conn, err := r.connect(ctx, greetings[i])
				if err != nil {
					cancel(fmt.Errorf("connection %d of %d: %w", i+1, len(greetings), err))
					return
				}
				conns[i] = conn
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		closeAll(conns)
		return nil, context.Cause(ctx)
	}
	return conns, nil
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
}

// drive serves the cells until finished reports true, the context ends, or nothing
// has moved for too long.
type drive struct {
	r     *run
	cells []*cell
	loops []*loop
	links []*link // driven by goroutines
	wg    sync.WaitGroup

	settling bool          // nothing new is sent: standing still is the end
	patience time.Duration // instead of stallTime; 0: that
}

// begin deals the cells to loops and starts them.
func (r *run) begin(cells []*cell) (*drive, error) {
	d := &drive{r: r, cells: cells}
	r.meter.closing.Store(false)
	for range min(r.cfg.Threads, len(cells)) {
		lp, err := newLoop(r.meter)
		if err != nil {
			return nil, err
		}
		d.loops = append(d.loops, lp)
	}
	for i, c := range cells {
		lp := d.loops[i%len(d.loops)]
		lp.cells = append(lp.cells, c)
		lp.timed = lp.timed || c.pace.rate > 0
		c.begin()
		for _, l := range c.links() {
			taken, err := lp.take(l)
			if err != nil {
				return nil, err
			}
			if !taken {
				l.fd, l.kick = -1, make(chan struct{}, 1)
				d.links = append(d.links, l)
			}
		}
	}
	for _, l := range d.links {
		d.wg.Go(l.drive)
	}
	for _, lp := range d.loops {
		go lp.run()
	}
	return d, nil
}

// links returns the connections of a cell.
func (c *cell) links() []*link {
	all := append([]*link(nil), c.subs...)
	for _, p := range c.pubs {
		if !p.retired && p.link.flows == nil { // else it is a subscriber too
			all = append(all, p.link)
		}
	}
	return all
}

// wait returns when done does, with a progress line each second and an eye on stalls.
func (d *drive) wait(ctx context.Context, limit time.Duration, done func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	stalls := 0
	begin, moved, line := time.Now(), time.Now(), time.Now()
	last, lastSent := d.r.meter.received.Load(), d.r.meter.sent.Load()
	shown, shownSent := last, lastSent
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		in, out := d.r.meter.sent.Load(), d.r.meter.received.Load()
		if in != lastSent || out != last {
			last, lastSent, moved = out, in, time.Now()
		} else if d.settling && time.Since(moved) > settleTime {
			return nil
		} else if time.Since(moved) > cmp.Or(d.patience, stallTime) {
			for _, c := range d.cells {
				c.unstick()
			}
			d.r.meter.errors.Add(1)
			moved = time.Now()
			if stalls++; stalls > maxStalls {
				return errors.New("the broker has stopped answering")
			}
		}
		if gone := time.Since(line); gone >= time.Second {
			d.r.progress(time.Since(begin), float64(in-shownSent)/gone.Seconds(), float64(out-shown)/gone.Seconds())
			shown, shownSent, line = out, in, time.Now()
		}
		if limit > 0 && time.Since(begin) > limit {
			return nil
		}
	}
	return nil
}

func (r *run) progress(since time.Duration, in, out float64) {
	if r.cfg.Progress != nil {
		fmt.Fprintf(r.cfg.Progress, "%-10s %4.0fs  in %11.0f/s  out %11.0f/s  errors %d\n",
			r.s.Name, since.Seconds(), in, out, r.meter.errors.Load())
	}
}

// settle stops the publishers and waits for what is under way.
func (d *drive) settle(ctx context.Context) error {
	for _, c := range d.cells {
		c.mu.Lock()
		c.stopped, c.pace.limit = true, 0
		c.mu.Unlock()
	}
	d.settling = true
	return d.wait(ctx, drainTime, d.settled)
}

func (d *drive) settled() bool {
	for _, c := range d.cells {
		if !c.settled() {
			return false
		}
	}
	return true
}

// end closes the connections and waits for the threads.
func (d *drive) end() {
	d.r.meter.closing.Store(true)
	for _, lp := range d.loops {
		lp.stop.Store(true)
	}
	for _, l := range d.links {
		l.conn.Close()
	}
	for _, lp := range d.loops {
		<-lp.done
	}
	d.wg.Wait()
}

// tally adds the cells' counts to the result.
func (d *drive) tally(res *Result) {
	var hist, late, acks Histogram
	var first error
	own := -1
	for _, c := range d.cells {
		c.mu.Lock()
		var sent, got, again uint64
		for _, p := range c.pubs {
			sent += p.sent
			late.Merge(&p.lateness)
			for _, s := range c.subs {
				f := &s.flows[p.number]
				got += f.received
				again += f.duplicated
				res.OutOfOrder += f.disordered
				if c.judge == nil && !c.pace.alone {
					res.Lost += f.absent(p.sent)
				}
			}
		}
		for _, s := range c.subs {
			if s.own >= 0 && (own < 0 || s.own < own) {
				own = s.own
			}
		}
		if c.judge != nil && !c.pace.alone && sent*c.fan > got-again {
			res.Lost += sent*c.fan - (got - again)
		}
		res.Duplicated += again
		res.Sent += sent
		res.Received += got
		if c.hist != nil {
			hist.Merge(c.hist)
		}
		if c.acks != nil {
			acks.Merge(c.acks)
		}
		if first == nil {
			first = c.first
		}
		c.mu.Unlock()
	}
	if hist.Count() > 0 {
		res.Latency = Latency{Max: float64(hist.max) / 1e3, DriverLateP99: float64(late.Quantile(0.99)) / 1e3}
		res.P50, res.P99, res.P999 = hist.quantiles()
	}
	if acks.Count() > 0 {
		res.AckP50, res.AckP99, res.AckP999 = acks.quantiles()
	}
	if first != nil {
		res.FirstError = first.Error()
	}
	res.OwnProperties = max(0, own)
}

// errNoPID is given by scenarios whose main figure comes from the broker's process.
var errNoPID = errors.New("memory is measured in the broker's process: give --pid")
