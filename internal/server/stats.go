package server

import "sync/atomic"

// counters are what one loop counts. Their owner adds to most of them; bytesOut
// and dropped are added to by whoever writes.
type counters struct {
	accepted, closed  atomic.Uint64
	bytesIn, bytesOut atomic.Uint64
	packetsIn         atomic.Uint64
	pressed, paced    atomic.Uint64
	dropped           atomic.Uint64
}

// Stats are totals since the start.
type Stats struct {
	Connections int64  // now
	Accepted    uint64 // connections taken
	Closed      uint64
	BytesIn     uint64 // as MQTT or WebSocket, without TLS
	BytesOut    uint64
	PacketsIn   uint64
	Pressed     uint64 // times that a publisher was held back by a receiver
	Paced       uint64 // times that a publisher was held back by its account's rate
	Dropped     uint64 // QoS 0 messages that a full output did not take
}

// Stats returns the totals over all loops.
func (s *Server) Stats() Stats {
	all := Stats{Connections: s.live.Load()}
	for _, l := range s.loops {
		n := &l.stats
		all.Accepted += n.accepted.Load()
		all.Closed += n.closed.Load()
		all.BytesIn += n.bytesIn.Load()
		all.BytesOut += n.bytesOut.Load()
		all.PacketsIn += n.packetsIn.Load()
		all.Pressed += n.pressed.Load()
		all.Paced += n.paced.Load()
		all.Dropped += n.dropped.Load()
	}
	return all
}
