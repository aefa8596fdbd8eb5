package bench

import (
	"context"
	"errors"
)

// keptTime is how long a session of a kept scenario outlives its connection, in
// seconds; it is removed at the end of the run.
const keptTime = 3600

// halfWindow is how many messages a publisher may have unacknowledged at half of the
// saturation: enough that the rate, and not the acknowledgements, says when it sends.
const halfWindow = 100

// measureHalf finds out what the broker sustains when nothing is batched, and measures
// the latency at half of that. What the driver itself can send bounds the first: its
// lateness is in the result, and the saturation of a broker that is faster is the
// driver's.
func measureHalf(ctx context.Context, r *run, res *Result) error {
	if err := measureTraffic(ctx, r, res); err != nil {
		return err
	}
	return r.half(ctx, res)
}

// half repeats the traffic that has been measured in an open loop at half the rate.
func (r *run) half(ctx context.Context, res *Result) error {
	res.SaturationPerS = res.InPerS
	if r.cfg.Rate = res.SaturationPerS / 2; r.cfg.Rate <= 0 {
		return errors.New("nothing was sent")
	}
	if err := r.forgetKept(ctx); err != nil {
		return err
	}
	r.cfg.Window = max(r.cfg.Window, halfWindow)
	return measureTraffic(ctx, r, res)
}

// measureDurable measures publishers by QoS 1 to sessions that outlive their
// connections: a broker that keeps its word has each message on the disk before it
// acknowledges it. The rates are those of the saturation.
func measureDurable(ctx context.Context, r *run, res *Result) error {
	err := r.durable(ctx, res)
	return errors.Join(err, r.forgetKept(context.WithoutCancel(ctx)))
}

// forgetKept removes the sessions that the traffic so far has left: they would get
// what is sent next.
func (r *run) forgetKept(ctx context.Context) error {
	left := r.left
	r.left = nil
	return r.forget(ctx, left)
}

func (r *run) durable(ctx context.Context, res *Result) error {
	if err := measureTraffic(ctx, r, res); err != nil {
		return err
	}
	rates, seconds, full := res.Rates, res.Seconds, res.Saturation
	if err := r.half(ctx, res); err != nil {
		return err
	}
	res.HalfAckP50, res.HalfAckP99, res.HalfAckP999 = res.AckP50, res.AckP99, res.AckP999
	res.AckP50, res.AckP99, res.AckP999 = full.AckP50, full.AckP99, full.AckP999
	res.Rates, res.Seconds = rates, seconds
	return nil
}
