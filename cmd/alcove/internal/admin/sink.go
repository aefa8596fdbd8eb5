package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"alcove/cmd/alcove/internal/remote"
	"alcove/cmd/alcove/internal/screen"
)

// item is an item of an answer, by its fields.
type item map[string]json.RawMessage

// text is a field as people read it: a string without quotes, "" where it is null or
// not there, JSON otherwise.
func (i item) text(field string) string { return textOf(i[field]) }

func textOf(raw json.RawMessage) string {
	var s string
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return ""
	case json.Unmarshal(raw, &s) == nil:
		return s
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

func (i item) number(field string) float64 {
	n, _ := strconv.ParseFloat(string(i[field]), 64)
	return n
}

// column is a column of a table.
type column struct {
	heading string
	show    func(item) string
}

// shown is the column of a field.
func shown(heading, field string) column {
	return column{heading, func(i item) string { return readable(field, i[field]) }}
}

// readable writes a field for people: times as dates, spans as such.
func readable(field string, raw json.RawMessage) string {
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return textOf(raw)
	}
	switch field {
	case "created", "accessed", "expire", "connected_at", "timestamp", "from", "to", "begin", "end", "time":
		return moment(n)
	case "ttl", "expires", "blocking_duration", "session_expiry_max", "session_expiry_v3", "period":
		return span(n)
	}
	return textOf(raw)
}

// moment writes UNIX seconds as a date; nothing for 0.
func moment(unix float64) string {
	if unix <= 0 {
		return ""
	}
	whole, rest := math.Modf(unix)
	layout := "2006-01-02 15:04:05Z"
	if rest > 0 {
		layout = "2006-01-02 15:04:05.000Z"
	}
	return time.Unix(int64(whole), int64(rest*1e9)).UTC().Format(layout)
}

// never is the Session Expiry Interval that ends no session.
const never = 0xFFFFFFFF

// span writes seconds as days, hours, minutes and seconds; nothing for 0.
func span(seconds float64) string {
	switch {
	case seconds == 0:
		return ""
	case seconds < 0:
		return strconv.FormatFloat(seconds, 'f', -1, 64)
	case seconds >= never:
		return "never"
	}
	var text string
	left := int64(seconds)
	for _, unit := range spanUnits {
		if n := left / unit.seconds; n > 0 {
			text += strconv.FormatInt(n, 10) + unit.name
		}
		left %= unit.seconds
	}
	return text
}

var spanUnits = []struct {
	name    string
	seconds int64
}{{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}

// sink shows items as the options of the tool say.
type sink struct {
	tool    *tool
	out     io.Writer
	columns []column
	table   *screen.Table
	cards   bool  // a line for each field, not a row for each item
	widths  []int // of the columns, where they are set; else from the first rows
	items   int
	rows    int // since the last flush
}

// sink returns what shows items on out. Without columns they are those of the first
// item.
func (t *tool) sink(out io.Writer, columns []column) *sink {
	s := &sink{tool: t, out: out, columns: columns}
	if t.fields != "" {
		s.columns = nil
		for field := range strings.SplitSeq(t.fields, ",") {
			s.columns = append(s.columns, shown(strings.ToUpper(field), field))
		}
	}
	return s
}

// cards returns what shows items on out in full, a line for each field.
func (t *tool) cards(out io.Writer) *sink {
	s := t.sink(out, nil)
	s.cards = true
	return s
}

// add shows one item.
func (s *sink) add(raw json.RawMessage) error {
	s.items++
	switch {
	case s.tool.lines:
		_, err := fmt.Fprintf(s.out, "%s\n", harmless(compact(raw)))
		return err
	case s.tool.json:
		before := ",\n  "
		if s.items == 1 {
			before = "[\n  "
		}
		var b bytes.Buffer
		if err := json.Indent(&b, raw, "  ", "  "); err != nil {
			return err
		}
		_, err := fmt.Fprintf(s.out, "%s%s", before, harmless(b.Bytes()))
		return err
	}
	if !s.cards {
		return s.row(raw)
	}
	if s.tool.fields != "" {
		raw = pick(raw, strings.Split(s.tool.fields, ",")) // where the broker does not
	}
	if s.items > 1 {
		if _, err := io.WriteString(s.out, "\n"); err != nil {
			return err
		}
	}
	return card(s.out, raw)
}

func (s *sink) row(raw json.RawMessage) error {
	if s.columns == nil {
		if err := s.guess(raw); err != nil {
			return err
		}
	}
	var i item
	if err := json.Unmarshal(raw, &i); err != nil {
		return fmt.Errorf("the broker's answer: %w", err)
	}
	s.open()
	cells := make([]string, len(s.columns))
	for n, c := range s.columns {
		cells[n] = c.show(i)
	}
	s.table.Row(cells...)
	if s.rows++; s.rows >= remote.PageSize {
		s.rows = 0
		return s.table.Flush()
	}
	return nil
}

// open begins the table.
func (s *sink) open() {
	if s.table != nil {
		return
	}
	headings := make([]string, len(s.columns))
	for n, c := range s.columns {
		headings[n] = screen.Cell(c.heading)
	}
	s.table = screen.NewTable(s.out, headings...)
	if s.tool.noHeader {
		s.table.NoHeader()
	}
	s.table.Widths(s.widths...)
}

// flush shows the rows that were added so far.
func (s *sink) flush() error {
	if s.table == nil {
		return nil
	}
	return s.table.Flush()
}

// guess makes a column of each field, in the order of the item.
func (s *sink) guess(raw json.RawMessage) error {
	fields, err := fieldsOf(raw)
	for _, field := range fields {
		s.columns = append(s.columns, shown(strings.ToUpper(field), field))
	}
	return err
}

// fieldsOf returns the names of an object's fields in their order.
func fieldsOf(raw json.RawMessage) (names []string, err error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("the broker's answer: an item is no object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		names = append(names, key.(string))
		if err := dec.Decode(new(json.RawMessage)); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// finish ends the output, and returns the error of the request, or that of the output.
// A request that failed as a whole leaves the output empty.
func (s *sink) finish(request error) error {
	if request != nil && s.items == 0 {
		return request
	}
	if err := s.close(); request == nil {
		return err
	}
	return request
}

// close ends the output: the array, or the table, whose headings are shown even when
// it is empty.
func (s *sink) close() error {
	switch {
	case s.tool.lines:
		return nil
	case s.tool.json && s.items == 0:
		_, err := io.WriteString(s.out, "[]\n")
		return err
	case s.tool.json:
		_, err := io.WriteString(s.out, "\n]\n")
		return err
	case s.cards, s.columns == nil:
		return nil
	}
	s.open()
	return s.table.Flush()
}

// card shows one item as a line for each field, and for each field of the objects in
// it.
func card(out io.Writer, raw json.RawMessage) error {
	t := screen.NewTable(out)
	t.NoHeader()
	if err := cardRows(t, "", raw); err != nil {
		return err
	}
	return t.Flush()
}

func cardRows(t *screen.Table, prefix string, raw json.RawMessage) error {
	names, err := fieldsOf(raw)
	if err != nil {
		return err
	}
	var i item
	if err := json.Unmarshal(raw, &i); err != nil {
		return err
	}
	for _, name := range names {
		if inner := i[name]; prefix == "" && inner[0] == '{' && len(inner) > 2 {
			if err := cardRows(t, name+".", inner); err != nil {
				return err
			}
			continue
		}
		t.Row(prefix+name, readable(name, i[name]))
	}
	return nil
}

// compact is JSON without spaces.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// harmless escapes, in JSON text, the characters that act on a terminal. They stand in
// strings only, so the value stays the same.
func harmless(raw []byte) []byte {
	var out []byte
	from := 0
	for i := 0; i < len(raw); {
		if c := raw[i]; c < utf8.RuneSelf && c != 0x7f {
			i++
			continue
		}
		r, n := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && n == 1 || screen.Acts(r) {
			out = append(out, raw[from:i]...)
			if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
				out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
			} else {
				out = fmt.Appendf(out, `\u%04x`, r)
			}
			from = i + n
		}
		i += n
	}
	if from == 0 {
		return raw
	}
	return append(out, raw[from:]...)
}
