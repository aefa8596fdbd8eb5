package topic

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// filterPrefix begins a filter with items, in exactly this case [EXT-FIL-1].
const filterPrefix = "$filter/"

// Items are what stands between "$filter/" and the Topic Filter [EXT-FIL-1].
type Items struct {
	Account          int64 // cid=
	HasAccount       bool
	ModifiedSince    int64 // modified_since=, UNIX microseconds [EXT-RET-3]
	HasModifiedSince bool
	Payload          string // payload=, the expression's source decoded; "" none
	Message          string // message=, likewise

	payloadAt, messageAt int // where the sources begin in Filter.Text, from zero
}

// PayloadColumn gives the column of f.Text, counted in bytes from 1, where the
// byte at a column of f.Items.Payload, counted likewise, was read from. A column
// outside the source gives that of its nearest end; the end is one past the
// last byte.
func (f *Filter) PayloadColumn(column int) int {
	return f.columnOf(f.Items.payloadAt, f.Items.Payload, column)
}

// MessageColumn is PayloadColumn for f.Items.Message.
func (f *Filter) MessageColumn(column int) int {
	return f.columnOf(f.Items.messageAt, f.Items.Message, column)
}

func (f *Filter) columnOf(at int, source string, column int) int {
	return rawOffset(f.Text[at:], min(column-1, len(source))) + at + 1
}

// rawOffset gives the length of the well-formed percent-encoded text that
// decodes to the first n bytes.
func rawOffset(raw string, n int) int {
	i := 0
	for ; n > 0; n-- {
		if raw[i] == '%' {
			i += 2
		}
		i++
	}
	return i
}

// cutItems reads f.Rest, which begins with "$filter/", into Items and Inner.
func (f *Filter) cutItems() *Error {
	at := len(f.Text) - len(f.Rest) + len(filterPrefix)
	items, inner, _ := strings.Cut(f.Rest[len(filterPrefix):], "/") // [EXT-FIL-1]: the first bare '/' ends them
	if e := checkCharacters(items); e != nil {
		e.Column += at
		return e
	}
	from := at
	for rest, more := items, true; more; {
		var item string
		item, rest, more = strings.Cut(rest, "&")
		if e := f.readItem(item, from); e != nil {
			e.Kind = FilterItem
			e.Column += from
			return e
		}
		from += len(item) + 1
	}
	after := at + len(items) + 1
	switch {
	case inner == "":
		return &Error{Kind: FilterItem, Reason: "no topic filter follows the items of $filter", Column: min(after, len(f.Text)) + 1}
	case strings.HasPrefix(inner, filterPrefix):
		return &Error{Kind: FilterItem, Reason: "$filter stands once in a filter", Column: after + 1}
	case strings.HasPrefix(inner, sharePrefix):
		return &Error{Kind: FilterItem, Reason: "$share stands before $filter", Column: after + 1}
	}
	f.Inner = inner
	return nil
}

// readItem reads one item, which begins at byte at of the text. Columns count
// from the start of the item. The whole item is decoded, since programs that
// build such texts encode the operator as well ("modified_since%3E1").
func (f *Filter) readItem(raw string, at int) *Error {
	item, e := decode(raw)
	if e != nil {
		return e
	}
	n := 0
	for n < len(item) && (item[n] == '_' || 'a' <= item[n] && item[n] <= 'z') {
		n++
	}
	name, op := item[:n], byte(0)
	if n < len(item) {
		op = item[n]
	}
	opColumn := rawOffset(raw, n) + 1
	set, known := f.item(name)
	switch {
	case item == "":
		return &Error{Reason: "an item of $filter is empty", Column: 1}
	case !known:
		return &Error{Reason: "unknown item: $filter takes cid, modified_since, payload and message", Column: 1}
	case set:
		return &Error{Reason: "an item of $filter stands twice", Column: 1}
	case op == '>' && name == "modified_since": // [EXT-RET-3]
	case op != '=':
		return &Error{Reason: "'=' must follow the item's name", Column: opColumn}
	}
	start := rawOffset(raw, n+1)
	if reason := f.setItem(name, item[n+1:], at+start); reason != "" {
		return &Error{Reason: reason, Column: start + 1}
	}
	return nil
}

// item tells whether a name is one of an item, and whether f has it already.
func (f *Filter) item(name string) (set, known bool) {
	switch name {
	case "cid":
		return f.Items.HasAccount, true
	case "modified_since":
		return f.Items.HasModifiedSince, true
	case "payload":
		return f.Items.Payload != "", true
	case "message":
		return f.Items.Message != "", true
	}
	return false, false
}

// setItem sets an item from its decoded value, which begins at byte at of the
// text, and gives the reason why it cannot.
func (f *Filter) setItem(name, value string, at int) (reason string) {
	switch name {
	case "cid":
		id, err := strconv.ParseInt(value, 10, 64)
		if err != nil || id <= 0 || value[0] == '+' {
			return "cid is not an account's id"
		}
		f.Items.Account, f.Items.HasAccount = id, true
	case "modified_since":
		since, ok := ModifiedSince(value)
		if !ok {
			return "modified_since is not a number of seconds"
		}
		f.Items.ModifiedSince, f.Items.HasModifiedSince = since, true
	default:
		if value == "" {
			return "the expression is empty"
		}
		if name == "payload" {
			f.Items.Payload, f.Items.payloadAt = value, at
		} else {
			f.Items.Message, f.Items.messageAt = value, at
		}
	}
	return ""
}

// decode resolves the percent codes of an item [EXT-FIL-1]; every other
// character stands for itself, '+' too. The result shares raw's memory where
// there are none.
func decode(raw string) (string, *Error) {
	if strings.IndexByte(raw, '%') < 0 {
		return raw, nil
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' {
			out = append(out, raw[i])
			continue
		}
		if i+2 >= len(raw) || hex(raw[i+1]) < 0 || hex(raw[i+2]) < 0 {
			return "", &Error{Reason: "two hexadecimal digits must follow %", Column: i + 1}
		}
		out = append(out, byte(hex(raw[i+1])<<4|hex(raw[i+2])))
		i += 2
	}
	for i := 0; i < len(out); {
		r, size := utf8.DecodeRune(out[i:])
		if r == utf8.RuneError && size == 1 {
			return "", &Error{Reason: "the percent codes do not give UTF-8 text", Column: rawOffset(raw, i) + 1}
		}
		i += size
	}
	return string(out), nil
}

// hex gives the value of a hexadecimal digit, or -1.
func hex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// ModifiedSince reads a time as "modified_since" gives it: UNIX seconds as a
// decimal number, with a fraction or without, maybe negative. It gives whole
// microseconds, rounded down, so that "newer than" keeps its meaning; what is
// beyond the range of int64 is its nearest bound [EXT-RET-3].
func ModifiedSince(text string) (micros int64, ok bool) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	if whole == "" && fraction == "" {
		return 0, false
	}
	value, inexact, over := int64(0), int64(0), false
	push := func(d int64) {
		if value > (math.MaxInt64-d)/10 {
			over = true
			return
		}
		value = value*10 + d
	}
	for i := range max(len(fraction), 6) + len(whole) {
		d := int64(0)
		if i < len(whole) {
			d = int64(whole[i]) - '0'
		} else if i-len(whole) < len(fraction) {
			d = int64(fraction[i-len(whole)]) - '0'
		}
		switch {
		case d < 0 || d > 9:
			return 0, false
		case i < len(whole)+6:
			push(d)
		case d > 0:
			inexact = 1
		}
	}
	switch {
	case over && negative:
		return math.MinInt64, true
	case over:
		return math.MaxInt64, true
	case negative:
		return -value - inexact, true
	}
	return value, true
}
