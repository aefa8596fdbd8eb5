package store

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"alcove/internal/broker"
)

// pageSize is how many positions of a queue a page covers.
const pageSize = 1024

// page is what happened to single positions of a queue above its floor: position
// number*pageSize is bit 0 of its first word.
type page struct {
	settled [pageSize / 64]uint64
	// released are entries whose PUBREC came, identifiers those sent with
	// another Packet Identifier than broker.PacketID gives; both by growing Seq,
	// and at most pageSize.
	released    []broker.SentEntry
	identifiers []broker.SentEntry

	stored bool // the page has a key of its own
	dirty  bool // and what stands there is old
}

func (p *page) isSettled(seq uint64) bool {
	at := seq % pageSize
	return p.settled[at/64]&(1<<(at%64)) != 0
}

func (p *page) setSettled(seq uint64, on bool) {
	at := seq % pageSize
	if on {
		p.settled[at/64] |= 1 << (at % 64)
	} else {
		p.settled[at/64] &^= 1 << (at % 64)
	}
	p.dirty = true
}

// run returns how many positions from seq on, in this page, are settled.
func (p *page) run(seq uint64) uint64 {
	at := seq % pageSize
	n := uint64(0)
	for at+n < pageSize {
		i := at + n
		free := bits.TrailingZeros64(^(p.settled[i/64] >> (i % 64)))
		left := 64 - i%64
		if uint64(free) < left {
			return n + uint64(free)
		}
		n += left
	}
	return n
}

// clear takes back the bits of n positions from seq on, in this page.
func (p *page) clear(seq, n uint64) {
	at := seq % pageSize
	for n > 0 {
		word := at / 64
		shift, width := at%64, min(n, 64-at%64)
		p.settled[word] &^= (1<<width - 1) << shift
		at += width
		n -= width
	}
	p.dirty = true
}

func (p *page) empty() bool {
	return len(p.released) == 0 && len(p.identifiers) == 0 && p.settled == [pageSize / 64]uint64{}
}

// findSent looks for seq in entries by growing Seq.
func findSent(entries []broker.SentEntry, seq uint64) (int, bool) {
	return slices.BinarySearchFunc(entries, seq, func(e broker.SentEntry, seq uint64) int {
		switch {
		case e.Seq < seq:
			return -1
		case e.Seq > seq:
			return 1
		}
		return 0
	})
}

// takeSent removes seq from entries, and tells with which identifier it was there.
func takeSent(entries []broker.SentEntry, seq uint64) (rest []broker.SentEntry, id uint16, was bool) {
	i, was := findSent(entries, seq)
	if !was {
		return entries, 0, false
	}
	id = entries[i].PacketID
	return slices.Delete(entries, i, i+1), id, true
}

// putSent adds or replaces e in entries.
func putSent(entries []broker.SentEntry, e broker.SentEntry) []broker.SentEntry {
	i, was := findSent(entries, e.Seq)
	if was {
		entries[i] = e
		return entries
	}
	return slices.Insert(entries, i, e)
}

// append appends the page's encoding: the settled positions as runs, each as the
// distance from the end of the one before and its length.
func (p *page) append(dst []byte, number uint64) []byte {
	runs, at := 0, len(dst)
	dst = append(dst, 0, 0) // number of runs, at most pageSize/2
	end := uint64(0)
	for i := uint64(0); i < pageSize; i++ {
		n := p.run(i)
		if n == 0 {
			continue
		}
		dst = binary.AppendUvarint(dst, i-end)
		dst = binary.AppendUvarint(dst, n)
		runs++
		i += n
		end = i
	}
	binary.BigEndian.PutUint16(dst[at:], uint16(runs))
	dst = appendSent(dst, p.released, number)
	return appendSent(dst, p.identifiers, number)
}

func appendSent(dst []byte, entries []broker.SentEntry, number uint64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	last := number * pageSize
	for _, e := range entries {
		dst = binary.AppendUvarint(dst, e.Seq-last)
		dst = binary.AppendUvarint(dst, uint64(e.PacketID))
		last = e.Seq
	}
	return dst
}

// page reads what page.append wrote.
func (d *decoder) page(number uint64) *page {
	p := &page{}
	runs := int(d.byte("runs"))<<8 | int(d.byte("runs"))
	at := uint64(0)
	for range runs {
		at += d.uint("run's distance", pageSize)
		n := d.uint("run's length", pageSize)
		if d.err != nil {
			return p
		}
		if at+n > pageSize {
			d.fault("run", "ends beyond its page")
			return p
		}
		for ; n > 0; n-- {
			p.setSettled(at, true)
			at++
		}
	}
	p.released = d.sent("released", number)
	p.identifiers = d.sent("identifiers", number)
	p.dirty = false
	return p
}

func (d *decoder) sent(field string, number uint64) []broker.SentEntry {
	n := d.count(field)
	if n == 0 {
		return nil
	}
	if number > math.MaxUint64/pageSize {
		d.fault(field, "no such page")
		return nil
	}
	entries := make([]broker.SentEntry, 0, min(n, pageSize))
	first := number * pageSize
	at := uint64(0) // from the page's first position
	for i := range n {
		step := d.uint(field, pageSize-1)
		e := broker.SentEntry{PacketID: uint16(d.uint(field, math.MaxUint16))}
		at += step
		if at >= pageSize || (i > 0 && step == 0) {
			d.fault(field, "position outside of its page or given twice")
		}
		if d.err != nil {
			return nil
		}
		e.Seq = first + at
		entries = append(entries, e)
	}
	return entries
}
