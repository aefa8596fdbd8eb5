package server

import "alcove/internal/broker"

// pacing tells what is to be done with a PUBLISH that has come.
type pacing uint8

const (
	paceTake pacing = iota
	paceWait        // it stays where it is, and the connection is not read
	paceSkip        // it is thrown away
)

// pace takes the account's allowance for one PUBLISH. Where there is none left, the
// connection is not read for a while, a second at most, and goes on with that packet
// [EXT-LIM-1]. So what is over the rate waits at the publisher, who feels it as a slow
// network, and costs the broker a timer; the client's keep-alive does not run
// meanwhile.
//
// A client that hangs up is not waited for: what it has sent is looked through, so that
// its DISCONNECT and its acknowledgements count, but what is over the rate is refused.
func (c *Conn) pace(t *broker.Turn) pacing {
	wait := c.link.Allowance(t)
	switch {
	case wait <= 0:
		return paceTake
	case c.leaving:
		c.link.Overrun(t)
		return paceSkip
	}
	c.hold(holdRate)
	c.by = c.loop.tick + ticks(min(wait, paceTime))
	c.arm()
	c.loop.stats.paced.Add(1)
	return paceWait
}
