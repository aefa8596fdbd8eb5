package server

import (
	"slices"
	"time"
)

// press is a publisher that is held back because of a receiver.
type press struct {
	from, by *Conn
	until    time.Time
}

// press holds the connection from back until by has drained, for pressTime at most.
func (l *loop) press(from, by *Conn) {
	if from.holds&holdPress == 0 {
		from.hold(holdPress)
		l.pressed = append(l.pressed, press{from, by, l.turn.Now.Add(pressTime)})
		l.stats.pressed.Add(1)
	}
}

// holdForDisk holds c back until the broker says that the disk has caught up.
func (l *loop) holdForDisk(c *Conn) {
	if c.holds&holdDisk != 0 {
		return
	}
	c.hold(holdDisk)
	if len(l.disk) > 2*l.slots.live {
		// Who has left meanwhile need not be remembered.
		l.disk = slices.DeleteFunc(l.disk, func(c *Conn) bool { return c.holds&holdDisk == 0 })
	}
	l.disk = append(l.disk, c)
}

// release lets those go on that need not be held back any longer.
func (l *loop) release() {
	l.relief.Store(false)
	var freed []*Conn
	kept := l.pressed[:0]
	for _, p := range l.pressed {
		if p.from.holds&holdPress == 0 {
			continue // it has closed
		}
		if l.turn.Now.Before(p.until) && p.by.out.over.Load() {
			kept = append(kept, p)
			continue
		}
		freed = append(freed, p.from)
	}
	clear(l.pressed[len(kept):])
	l.pressed = kept
	for _, c := range freed {
		c.unhold(l.turn, holdPress)
	}
	if len(l.disk) > 0 && !l.srv.broker.Paused(l.turn) {
		held := l.disk
		l.disk = nil
		for _, c := range held {
			c.unhold(l.turn, holdDisk)
		}
	}
}
