package screen

import (
	"bufio"
	"io"
	"slices"
	"strings"
)

const (
	gap       = 2   // spaces between columns
	narrowest = 8   // columns to which a cell is cut at least
	widest    = 256 // columns to which a cell is filled at most
)

// Table writes rows under a heading, in aligned columns. The widths are those of the
// first rows, up to the first Flush: a long list is written page by page in bounded
// memory, and a wider cell further down moves its own line only.
type Table struct {
	// Columns is the width of the terminal, to which the widest cells are cut; 0 cuts
	// none: who reads a file or a pipe gets all of it.
	Columns int

	out     *bufio.Writer
	heading []string // nil once it is written
	rows    [][]string
	widths  []int
}

// NewTable returns a table that is written to w. Without headings, NoHeader, there is
// no line for them.
func NewTable(w io.Writer, headings ...string) *Table {
	return &Table{out: bufio.NewWriter(w), heading: headings, Columns: Columns(w)}
}

// NoHeader leaves the line of the headings out.
func (t *Table) NoHeader() { t.heading = nil }

// Widths sets the widths of the columns, none of which is measured then. The last one
// needs none.
func (t *Table) Widths(widths ...int) {
	if len(widths) > 0 {
		t.widths = widths
	}
}

// Row adds a row; an empty cell is shown as a dash.
func (t *Table) Row(cells ...string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		if row[i] = Cell(strings.TrimSpace(c)); row[i] == "" {
			row[i] = "-"
		}
	}
	t.rows = append(t.rows, row)
}

// Flush writes the rows that were added.
func (t *Table) Flush() error {
	if t.heading != nil {
		t.rows = slices.Insert(t.rows, 0, t.heading)
		t.heading = nil
	}
	if t.widths == nil {
		t.measure()
	}
	for _, row := range t.rows {
		t.line(row)
	}
	t.rows = t.rows[:0]
	return t.out.Flush()
}

// measure sets the widths: those of the widest cells, of which the widest are cut
// until the line fits.
func (t *Table) measure() {
	for _, row := range t.rows {
		for i, c := range row {
			if i == len(t.widths) {
				t.widths = append(t.widths, 0)
			}
			t.widths[i] = min(max(t.widths[i], Width(c)), widest)
		}
	}
	for t.Columns > 0 && len(t.widths) > 0 {
		sum := gap * (len(t.widths) - 1)
		most := 0
		for i, w := range t.widths {
			sum += w
			if w > t.widths[most] {
				most = i
			}
		}
		if sum <= t.Columns || t.widths[most] <= narrowest {
			return
		}
		t.widths[most]--
	}
}

func (t *Table) line(row []string) {
	last := len(row) - 1
	for i, c := range row {
		w := 0
		if i < len(t.widths) {
			w = t.widths[i]
		}
		if t.Columns > 0 && w > 0 {
			c = Cut(c, w)
		}
		if i < last {
			c = pad(c, w) + strings.Repeat(" ", gap)
		}
		t.out.WriteString(c)
	}
	t.out.WriteByte('\n')
}
