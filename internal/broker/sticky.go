package broker

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// Sticky groups [EXT-SHR-4].
//
// The fingerprint of a message is words of its topic. Its hash is one of 16,384
// slots; a slot belongs to the online member whose weight for it is the highest
// (rendezvous hashing), members being named by their session's OwnerID. So a member
// that comes takes its share of every other's slots, nothing moves between members
// that stay, and a member that comes back gets the slots that it had.
//
// A member whose token does not allow a topic is passed over for it: the highest
// weight among those that may have it decides, so equal fingerprints of equal topics
// still have one member.
//
// Up to fewMembers the weights are computed for each message. Beyond that a table
// holds the owner of each slot, kept up to date as members come and go.
type sticky struct {
	from, count int
	idle        lane      // what waits while no member is online
	table       []uint32  // the seat of each slot's owner; nil for few members
	seats       []*member // of the online members, some empty
	free        []uint32  // the empty ones
}

const (
	// stickySlots is how many slots fingerprints fall into.
	stickySlots = 1 << slotBits
	// fewMembers online members are compared for each message; with more there
	// is a table, which goes when there are half as many.
	fewMembers = 8
)

// slot returns the slot of a topic's fingerprint.
func (st *sticky) slot(topic []byte) uint16 {
	return uint16(hashWords(fingerprint(topic, st.from, st.count)) >> (64 - slotBits))
}

// fingerprint returns the words [from, from+count) of a topic as they stand in it,
// without empty words at the end: missing words are empty, so it makes no
// difference whether they are there [EXT-SHR-4].
func fingerprint(topic []byte, from, count int) []byte {
	for ; from > 0; from-- {
		i := bytes.IndexByte(topic, '/')
		if i < 0 {
			return nil
		}
		topic = topic[i+1:]
	}
	end := 0
	for ; count > 0; count-- {
		i := bytes.IndexByte(topic[end:], '/')
		if i < 0 {
			end = len(topic) + 1
			break
		}
		end += i + 1
	}
	for end--; end > 0 && topic[end-1] == '/'; {
		end--
	}
	return topic[:end]
}

// hashWords hashes a fingerprint. It is the same in every run, so that a restart
// gives every member the slots that it had.
func hashWords(b []byte) uint64 {
	h := uint64(len(b)) + 0x9e3779b97f4a7c15
	for ; len(b) >= 8; b = b[8:] {
		h = fold(h^binary.LittleEndian.Uint64(b), 0xd6e8feb86659fd93)
	}
	last := uint64(0)
	switch n := len(b); {
	case n >= 4: // they overlap, which is no harm: the length is in h
		last = uint64(binary.LittleEndian.Uint32(b))<<32 | uint64(binary.LittleEndian.Uint32(b[n-4:]))
	case n > 0:
		last = uint64(b[0])<<16 | uint64(b[n/2])<<8 | uint64(b[n-1])
	}
	return fold(h^last, 0xa0761d6478bd642f)
}

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

// weight is a member's for a slot.
func weight(name uint64, slot uint16) uint64 {
	return fold(name^(uint64(slot)+1)*0x9e3779b97f4a7c15, 0xe7037ed1a0b428db)
}

// mix scatters the bits of x, one to one.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// before tells whether the slot is m's rather than other's. Names differ, so it is
// a strict order.
func (mem *member) before(other *member, slot uint16) bool {
	a, b := weight(mem.name, slot), weight(other.name, slot)
	return a > b || a == b && mem.name > other.name
}

// owner returns the online member that a slot belongs to. There is one. Under g.mu.
func (g *Group) owner(slot uint16) *member {
	if st := g.sticky; st.table != nil {
		return st.seats[st.table[slot]]
	}
	return heaviest(g.online, slot, nil)
}

// heaviest returns the member with the highest weight for the slot, of those that
// may have m where that is not nil; nil where nobody may.
func heaviest(members []*member, slot uint16, m *Message) (best *member) {
	most := uint64(0)
	for _, mem := range members {
		w := weight(mem.name, slot)
		if best != nil && (w < most || w == most && mem.name < best.name) {
			continue
		}
		if m == nil || mem.may(m) {
			best, most = mem, w
		}
	}
	return best
}

// pick returns the online member that gets a message: the slot's owner or, where
// that one may not have it, the next by weight that may; the owner where nobody may.
// One has to be online. Under g.mu.
func (g *Group) pick(slot uint16, m *Message) *member {
	owner := g.owner(slot)
	if owner.may(m) {
		return owner
	}
	if other := heaviest(g.online, slot, m); other != nil {
		return other
	}
	return owner
}

// sit makes an online member own its slots. Under g.mu.
func (g *Group) sit(mem *member) {
	st := g.sticky
	if n := len(st.free); n > 0 {
		mem.seat, st.free = st.free[n-1], st.free[:n-1]
		st.seats[mem.seat] = mem
	} else {
		mem.seat = uint32(len(st.seats))
		st.seats = append(st.seats, mem)
	}
	switch {
	case st.table != nil:
		for slot := range st.table {
			if mem.before(st.seats[st.table[slot]], uint16(slot)) {
				st.table[slot] = mem.seat
			}
		}
	case len(g.online) > fewMembers:
		table := make([]uint32, stickySlots)
		for slot := range table {
			table[slot] = heaviest(g.online, uint16(slot), nil).seat
		}
		st.table = table
	}
}

// rise takes the slots of a member that is online no longer. Under g.mu.
func (g *Group) rise(mem *member) {
	st := g.sticky
	st.seats[mem.seat] = nil
	st.free = append(st.free, mem.seat)
	switch {
	case len(g.online) == 0:
		st.seats, st.free, st.table = nil, nil, nil
	case len(g.online) <= fewMembers/2:
		st.table = nil
	}
	for slot, seat := range st.table {
		if seat == mem.seat {
			st.table[slot] = heaviest(g.online, uint16(slot), nil).seat
		}
	}
}
