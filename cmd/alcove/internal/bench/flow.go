package bench

// maxMissing bounds the sequence numbers that a flow remembers as missing; beyond it
// they are counted as lost at once.
const maxMissing = 100_000

// maxBits bounds the numbers of which is remembered that they have come.
const maxBits = 1 << 28

// flow is what one subscriber has seen of one publisher.
type flow struct {
	next    uint64              // the sequence number expected
	missing map[uint64]struct{} // numbers below next that have not come
	lost    uint64              // numbers no longer remembered as missing

	passed     uint64 // the last mark of its publisher's floor that it has passed
	came       bitset // which numbers have come, where they come in any order
	received   uint64
	duplicated uint64
	disordered uint64
}

// see counts the message with sequence number seq.
func (f *flow) see(seq uint64) {
	f.received++
	if seq == f.next {
		f.next++
		return
	}
	f.seeOther(seq)
}

func (f *flow) seeOther(seq uint64) {
	if seq < f.next {
		if _, ok := f.missing[seq]; ok {
			delete(f.missing, seq)
			f.disordered++
			return
		}
		f.duplicated++
		return
	}
	if f.missing == nil {
		f.missing = make(map[uint64]struct{})
	}
	for ; f.next < seq; f.next++ {
		if len(f.missing) >= maxMissing {
			f.lost += seq - f.next
			f.next = seq
			break
		}
		f.missing[f.next] = struct{}{}
	}
	f.next = seq + 1
}

// absent returns how many of the first sent messages have not come.
func (f *flow) absent(sent uint64) uint64 {
	n := f.lost + uint64(len(f.missing))
	if sent > f.next {
		n += sent - f.next
	}
	return n
}

// bitset is a set of numbers up to maxBits.
type bitset []uint64

// add puts n into the set and reports whether it was new; a number beyond the bound
// always is.
func (b *bitset) add(n uint64) bool {
	word, bit := n/64, uint64(1)<<(n%64)
	if word >= maxBits/64 {
		return true
	}
	for uint64(len(*b)) <= word {
		*b = append(*b, 0)
	}
	if (*b)[word]&bit != 0 {
		return false
	}
	(*b)[word] |= bit
	return true
}

// seeOnce counts a message of a publisher whose messages come in any order.
func (f *flow) seeOnce(seq uint64) {
	f.received++
	if !f.came.add(seq) {
		f.duplicated++
	}
}

// seeScattered counts a message of a publisher whose messages go to many topics, of
// which this subscriber has some: only order and repetition can be judged here.
func (f *flow) seeScattered(seq uint64) {
	f.received++
	switch {
	case seq >= f.next:
		f.next = seq + 1
	case seq+1 == f.next:
		f.duplicated++
	default:
		f.disordered++
	}
}
