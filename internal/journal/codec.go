package journal

import (
	"encoding/binary"

	"alcove/internal/event"
)

// encoding is the first byte of every value.
const encoding = 1

// appendRecord appends a record's value: what most questions are about in short, then
// the whole as JSON.
func appendRecord(dst []byte, r *event.Record) []byte {
	dst = append(dst, encoding, byte(r.Origin))
	dst = binary.AppendUvarint(dst, uint64(r.Code))
	dst = binary.AppendVarint(dst, r.OriginID)
	dst = binary.AppendVarint(dst, r.Token)
	dst = binary.AppendUvarint(dst, uint64(max(1, r.Count)))
	return r.AppendJSON(dst)
}

// decodeRecord takes a value apart; false for one that is damaged or newer.
func decodeRecord(time int64, value []byte) (s event.Stored, ok bool) {
	if len(value) < 2 || value[0] != encoding {
		return s, false
	}
	s.Time, s.Origin = time, event.Origin(value[1])
	rest := value[2:]
	code, n := binary.Uvarint(rest)
	if n <= 0 {
		return s, false
	}
	rest = rest[n:]
	s.Code = event.Code(code)
	for _, v := range []*int64{&s.OriginID, &s.Token} {
		if *v, n = binary.Varint(rest); n <= 0 {
			return s, false
		}
		rest = rest[n:]
	}
	count, n := binary.Uvarint(rest)
	if n <= 0 {
		return s, false
	}
	s.Count, s.JSON = int64(count), rest[n:]
	return s, len(s.JSON) > 0
}

// appendSize appends the value of a stretch's row.
func appendSize(dst []byte, s *stretch) []byte {
	dst = append(dst, encoding)
	dst = binary.AppendUvarint(dst, uint64(s.last))
	return binary.AppendUvarint(dst, uint64(s.bytes))
}

// decodeSize reads a stretch.
func decodeSize(first int64, value []byte) (s stretch, ok bool) {
	if len(value) < 1 || value[0] != encoding {
		return s, false
	}
	last, n := binary.Uvarint(value[1:])
	if n <= 0 {
		return s, false
	}
	bytes, m := binary.Uvarint(value[1+n:])
	return stretch{first: first, last: int64(last), bytes: int64(bytes)}, m > 0
}
