package store

import (
	"encoding/binary"
	"fmt"
	"math"
)

// encoding is the first byte of every value: the number of its layout.
const encoding = 1

// layout is the number of the whole database's layout, under space f.
const layout = 1

// appendBytes appends b behind its length.
func appendBytes[T []byte | string](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// appendTime appends UNIX nanoseconds, or any other number that may be negative.
func appendTime(dst []byte, t int64) []byte { return binary.AppendVarint(dst, t) }

// decoder reads a value from front to back. After the first fault every call
// returns a zero value, so that callers look at err once, at the end. It never
// reads beyond the value and never allocates more than the value's own size.
type decoder struct {
	rest []byte
	size int // of the whole value
	err  error
}

// newDecoder begins to read value, whose first byte must be our encoding.
func newDecoder(value []byte) decoder {
	d := decoder{rest: value, size: len(value)}
	if e := d.byte("encoding"); d.err == nil && e != encoding {
		d.err = fmt.Errorf("encoding %d is not known to this version", e)
	}
	return d
}

// fault notes the first fault, which is in the named field.
func (d *decoder) fault(field, what string) {
	if d.err == nil {
		d.err = fmt.Errorf("field %q at byte %d of %d: %s", field, d.size-len(d.rest), d.size, what)
	}
	d.rest = nil
}

func (d *decoder) byte(field string) byte {
	if d.err != nil {
		return 0
	}
	if len(d.rest) == 0 {
		d.fault(field, "cut short")
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

// uint reads a number that is at most limit.
func (d *decoder) uint(field string, limit uint64) uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fault(field, "no number")
		return 0
	}
	if v > limit {
		d.fault(field, fmt.Sprintf("%d is more than %d", v, limit))
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads how many items follow, each of which takes at least one byte.
func (d *decoder) count(field string) int {
	n := d.uint(field, math.MaxUint64)
	if n > uint64(len(d.rest)) {
		d.fault(field, fmt.Sprintf("%d is more than is left", n))
		return 0
	}
	return int(n)
}

func (d *decoder) time(field string) int64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fault(field, "no number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// bytes reads what appendBytes wrote. The result is borrowed from the value, its
// capacity cut to its length.
func (d *decoder) bytes(field string) []byte {
	n := d.count(field)
	if d.err != nil {
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

// end returns the first fault, or one where something is left over.
func (d *decoder) end() error {
	if d.err == nil && len(d.rest) > 0 {
		d.fault("end", fmt.Sprintf("%d bytes too many", len(d.rest)))
	}
	return d.err
}
