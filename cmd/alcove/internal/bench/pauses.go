package bench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"

	"alcove/internal/mqtt"
)

// pauseSubscribers is how many connections have the subscriptions of the scenario, and
// pauseShards how many publish its retained messages.
const (
	pauseSubscribers = 10
	pauseShards      = 10
	pauseSubs        = 1_000_000
)

// maxTrace bounds the part of the broker's log that is read for its pauses, in bytes.
const maxTrace = 64 << 20

var errNoTrace = errors.New("pauses are read from the broker's log: start it with GODEBUG=gctrace=1 and give the file of its standard error by --gctrace")

// measurePauses fills a broker with subscriptions and retained messages while traffic
// goes on, and reads from its log how long the collector stopped it. A heap that is
// full and at rest is not collected: so the time that counts is that in which it fills,
// and in which its messages are updated at random.
func measurePauses(ctx context.Context, r *run, res *Result) error {
	if r.cfg.GCTrace == "" {
		return errNoTrace
	}
	var side Result // of the retained messages: the run's own is about the traffic
	d := &database{r: r, res: &side, shards: pauseShards, each: r.cfg.Count / pauseShards, rng: rand.New(rand.NewPCG(7, 11))}
	if err := d.possible(); err != nil {
		return err
	}
	subs, err := r.open(ctx, r.held())
	if err != nil {
		return err
	}
	defer closeAll(subs)
	cells, err := r.build(ctx)
	if err != nil {
		return err
	}
	from, err := sizeOf(r.cfg.GCTrace)
	if err != nil {
		return err
	}
	start := r.meter.now()
	for _, c := range cells {
		c.pace.start = start
	}
	traffic, err := r.begin(cells)
	if err != nil {
		return err
	}
	defer traffic.end()
	if err := r.fill(ctx, d); err != nil {
		return err
	}
	to, err := sizeOf(r.cfg.GCTrace)
	if err != nil {
		return err
	}
	if err := traffic.settle(ctx); err != nil {
		return err
	}
	traffic.tally(res)
	res.Latency = Latency{} // beside stores flat out it would be theirs
	if err := res.Pauses.read(r.cfg.GCTrace, from, to); err != nil {
		return err
	}
	side.Count = d.shards * d.each
	if err := d.drop(ctx); err != nil {
		return err
	}
	res.Errors += side.Errors
	res.FirstError = cmp.Or(res.FirstError, side.FirstError)
	return nil
}

// held are the greetings of those who have the subscriptions, to which nothing is sent.
func (r *run) held() []hello {
	greetings := make([]hello, pauseSubscribers)
	for i := range greetings {
		greetings[i] = hello{id: r.clientID(), clean: true}
	}
	for i := range pauseSubs {
		h := &greetings[i%pauseSubscribers]
		h.filters = append(h.filters, fmt.Sprintf("held/%s/%0*d/value", r.name, digits, i))
	}
	return greetings
}

// fill stores the retained messages and updates them, beside the traffic: flat out and
// by QoS 1.
func (r *run) fill(ctx context.Context, d *database) error {
	rate, qos, batch := r.cfg.Rate, r.cfg.QoS, r.cfg.Batch
	defer func() { r.cfg.Rate, r.cfg.QoS, r.cfg.Batch = rate, qos, batch }()
	r.cfg.Rate, r.cfg.QoS = 0, int(mqtt.QoS1)
	cells, err := d.load(ctx, true)
	if err != nil {
		return err
	}
	if _, _, err := r.complete(ctx, cells); err != nil {
		return err
	}
	return d.update(ctx)
}

func sizeOf(file string) (int64, error) {
	info, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// read takes the pauses from a part of the file.
func (p *Pauses) read(file string, from, to int64) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, from, min(to-from, maxTrace)))
	if err != nil {
		return err
	}
	var all Histogram
	for line := range bytes.Lines(text) {
		for _, stop := range stops(line) {
			all.Record(stop)
		}
	}
	p.Pauses = int(all.Count())
	_, p.PauseP99, _ = all.quantiles()
	p.PauseMax = float64(all.max) / 1e3
	return nil
}

// stops returns the two pauses of a cycle in nanoseconds, which the runtime writes as
//
//	gc 5 @0.2s 1%: 0.018+1.2+0.003 ms clock, ...
//
// in milliseconds: the first and the last of the three; nil for any other line.
func stops(line []byte) []int64 {
	if !bytes.HasPrefix(line, []byte("gc ")) {
		return nil
	}
	_, rest, _ := bytes.Cut(line, []byte("%: "))
	times, _, ok := bytes.Cut(rest, []byte(" ms clock,"))
	parts := bytes.Split(times, []byte("+"))
	if !ok || len(parts) != 3 {
		return nil
	}
	var both []int64
	for _, part := range [][]byte{parts[0], parts[2]} {
		ms, err := strconv.ParseFloat(string(part), 64)
		if err != nil {
			return nil
		}
		both = append(both, int64(ms*1e6))
	}
	return both
}
