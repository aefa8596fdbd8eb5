package bench

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// TestDue: the turns of an open loop are spread evenly over the publishers, and a batch
// is due as one.
func TestDue(t *testing.T) {
	for _, c := range []struct {
		step  int
		place int
		seq   uint64
		want  int64 // milliseconds
	}{{0, 0, 0, 0}, {0, 1, 0, 1}, {0, 0, 1, 2}, {1, 1, 3, 7}, {8, 0, 7, 0}, {8, 1, 0, 8}, {8, 0, 8, 16}, {8, 1, 15, 24}} {
		p := pace{rate: 1000, share: 2, step: c.step}
		if got := p.due(c.place, c.seq); got != c.want*int64(time.Millisecond) {
			t.Errorf("%+v: due at %d", c, got)
		}
	}
}

// TestRipe: of an open loop's QoS 0, whole batches go out.
func TestRipe(t *testing.T) {
	c := &cell{pace: pace{rate: 1000, share: 1, step: 4}}
	p := &publisher{sent: 4}
	for at, want := range map[int64]int{3: 0, 4: 4, 5: 4, 8: 8} {
		if got := c.ripe(p, 8, at*int64(time.Millisecond)); got != want {
			t.Errorf("at %d ms: %d, want %d", at, got, want)
		}
	}
}

// TestAcknowledge: an acknowledgement is timed from when its own message was due.
func TestAcknowledge(t *testing.T) {
	c := &cell{meter: new(meter), acks: new(Histogram)}
	p := &publisher{asked: []int64{10, 20, 30}}
	c.acknowledge(p, 1, 100) // the warm-up
	c.meter.from.Store(20)
	p.asked[0] = 40 // the fourth message takes the first one's place
	c.acknowledge(p, 3, 50)
	if p.acked != 4 || c.acks.Count() != 3 || c.acks.max != 30 || c.acks.Quantile(0) != 10 {
		t.Errorf("%d acknowledged, %d timed, %d to %d", p.acked, c.acks.Count(), c.acks.Quantile(0), c.acks.max)
	}
}

// TestMeasures: what was due in the measured time counts, whenever it comes.
func TestMeasures(t *testing.T) {
	var m meter
	if m.measures(5) {
		t.Error("measured before it begins")
	}
	m.from.Store(5)
	if m.measures(4) || !m.measures(5) || !m.measures(math.MaxInt64) {
		t.Error("measured from another moment")
	}
	m.to.Store(9)
	if m.measures(9) || !m.measures(8) {
		t.Error("measured to another moment")
	}
}

func TestHalf(t *testing.T) {
	res := load(t, startFake(t, nil), func(c *Config) { c.Scenario, c.Batch, c.Window = "half", 1, 4 })
	if res.SaturationPerS <= 0 || res.P50 <= 0 || res.Lost+res.Duplicated+res.OutOfOrder+res.Errors != 0 || res.Received != res.Sent {
		t.Errorf("%+v", res)
	}
}

func TestStalled(t *testing.T) {
	res := load(t, startFake(t, nil), func(c *Config) { c.Scenario, c.Rate = "stalled", 500 })
	if res.P50 <= 0 || res.UnreadP50 <= 0 || res.SlowP50 <= 0 || res.Lost+res.Duplicated+res.OutOfOrder+res.Errors != 0 {
		t.Errorf("%+v", res)
	}
}

// TestReadSlowly: one who reads slowly leaves the rest where it is.
func TestReadSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := &endless{ends: 10}
		began := time.Now()
		readSlowly(conn, slowPause)
		if took := time.Since(began); took != 10*slowPause || conn.read != 9*slowBytes {
			t.Errorf("%d bytes in %v", conn.read, took)
		}
	})
}
