package screen

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
	"golang.org/x/text/width"
)

// Width is how many columns a terminal takes for a text without controls.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r >= 0x1f300 && r <= 0x1faff: // pictures
		return 2
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Cut shortens a text to at most columns, the last of which is then an ellipsis.
func Cut(s string, columns int) string {
	if Width(s) <= columns {
		return s
	}
	used := 0
	for i, r := range s {
		w := runeWidth(r)
		if used+w > columns-1 {
			return s[:i] + "…"
		}
		used += w
	}
	return s
}

// pad fills a text with spaces up to columns.
func pad(s string, columns int) string {
	if n := columns - Width(s); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}

// IsTerminal reports whether what is written to w, or read from it, is a person's.
func IsTerminal(w any) bool {
	_, ok := size(w)
	return ok
}

// size asks the terminal behind a file; false where there is none: /dev/null is a
// device too, but has no size.
func size(w any) (columns int, ok bool) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, false
	}
	s, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	return int(s.Col), true
}

// Columns is how wide the terminal behind w is: what $COLUMNS says, else what the
// terminal tells; 0 where w is no terminal or does not tell.
func Columns(w io.Writer) int {
	columns, ok := size(w)
	if !ok {
		return 0
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return columns
}
