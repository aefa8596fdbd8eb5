package admin

import (
	"bufio"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/remote"
)

// tool is one run of the program: the broker that it asks, and how it shows answers.
type tool struct {
	remote.Remote
	json, lines, noHeader bool
	fields                string // comma list; empty: the usual columns, all of the fields in JSON
}

// Commands returns the groups of commands.
func Commands() []*cobra.Command {
	return []*cobra.Command{newAccount(), newToken(), newLimit(), newSession(), newRetained(), newLog()}
}

// group makes the command that holds those of one noun.
func group(t *tool, use, short, long string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Long: long + "\n\n" + exitHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	f := cmd.PersistentFlags()
	t.AddFlags(f)
	f.BoolVar(&t.json, "json", false, "print one JSON array")
	f.BoolVar(&t.lines, "json-lines", false, "print JSON, a line for each item")
	f.BoolVar(&t.noHeader, "no-header", false, "print no headings of columns")
	cmd.AddCommand(subs...)
	return checked(cmd)
}

// quiet reports whether the standard output is for a program.
func (t *tool) quiet() bool { return t.json || t.lines }

// maxLine bounds a line of the standard input, and maxInput all of it.
const (
	maxLine  = 1 << 20
	maxInput = 256 << 20
)

// readLines returns the lines of a text that are not empty.
func readLines(r io.Reader) ([]string, error) {
	s := bufio.NewScanner(io.LimitReader(r, maxInput))
	s.Buffer(nil, maxLine)
	var lines []string
	for s.Scan() {
		if line := strings.TrimRight(s.Text(), "\r"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, s.Err()
}
