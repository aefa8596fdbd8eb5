package store

import (
	"sync/atomic"
	"time"
)

// spaceInterval is how often the free space is looked at.
const spaceInterval = time.Second

// space watches how much is free on the disk.
type space struct {
	low       atomic.Bool
	watermark uint64
	free      func() (uint64, error)
}

// begin looks at the disk, and then every spaceInterval until s is closed.
func (w *space) begin(s *Store, c Config) {
	switch {
	case c.FreeSpaceWatermark < 0:
		return
	case c.FreeSpaceWatermark == 0:
		c.FreeSpaceWatermark = defaultWatermark
	}
	w.watermark = uint64(c.FreeSpaceWatermark)
	w.free = func() (uint64, error) {
		usage, err := c.fs.GetDiskUsage(c.Dir)
		return usage.AvailBytes, err
	}
	w.look(s)
	s.background.Add(1)
	go func() {
		defer s.background.Done()
		tick := time.NewTicker(spaceInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.look(s)
			case <-s.stop:
				return
			}
		}
	}()
}

// look compares the free space with the watermark. Where it cannot be told, nothing
// changes.
func (w *space) look(s *Store) {
	free, err := w.free()
	if err != nil {
		s.log.Warn("the free space of the disk cannot be told", "error", err)
		return
	}
	was := w.low.Load()
	switch {
	case !was && free < w.watermark:
		w.low.Store(true)
		s.log.Error("the disk is nearly full: durable writes are refused", "free", free, "watermark", w.watermark)
	case was && free >= w.watermark+w.watermark/4:
		w.low.Store(false)
		s.log.Info("the disk has space again: durable writes are accepted", "free", free)
	}
}
