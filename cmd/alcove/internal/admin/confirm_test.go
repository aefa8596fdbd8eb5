package admin

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"alcove/cmd/alcove/internal/screen"
)

// terminal opens a pseudo terminal: what a person types, and where a program reads it.
func terminal(t *testing.T) (person, program *os.File) {
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func TestConfirm(t *testing.T) {
	person, program := terminal(t)
	for typed, want := range map[string]bool{"y\n": true, "YES\n": true, "n\n": false, "\n": false, "yeah\n": false} {
		var errOut bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetIn(program)
		cmd.SetErr(&errOut)
		if _, err := io.WriteString(person, typed); err != nil {
			t.Fatal(err)
		}
		err := confirm(cmd, "Delete 2 sessions of \x1b[31m?")
		if (err == nil) != want {
			t.Errorf("%q: %v", typed, err)
		}
		if errOut.String() != `Delete 2 sessions of \x1b[31m? [y/N] ` {
			t.Errorf("%q", errOut.String())
		}
	}
}

// TestTerminalWidth: a table on a terminal is as wide as that.
func TestTerminalWidth(t *testing.T) {
	_, program := terminal(t)
	if err := unix.IoctlSetWinsize(int(program.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 33}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("COLUMNS", "")
	if n := screen.Columns(program); n != 33 || !screen.IsTerminal(program) {
		t.Errorf("%d columns", n)
	}
	t.Setenv("COLUMNS", "20")
	if n := screen.Columns(program); n != 20 {
		t.Errorf("%d columns", n)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if screen.IsTerminal(null) || screen.IsTerminal(strings.NewReader("")) || screen.Columns(io.Discard) != 0 {
		t.Error("nobody sits there")
	}
}

// TestHelp: every command explains itself, with examples that begin as they are typed.
func TestHelp(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: Short %q", cmd.CommandPath(), cmd.Short)
		}
		if !cmd.HasSubCommands() {
			if cmd.Example == "" {
				t.Errorf("%s has no example", cmd.CommandPath())
			}
			if !strings.Contains(cmd.Example, cmd.CommandPath()) {
				t.Errorf("%s: %s", cmd.CommandPath(), cmd.Example)
			}
		}
		for line := range strings.Lines(cmd.Long) {
			if len([]rune(line)) > 110 {
				t.Errorf("%s: a line of %d characters: %s", cmd.CommandPath(), len([]rune(line)), line)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	root := &cobra.Command{Use: "alcove", Short: "x"}
	root.AddCommand(Commands()...)
	walk(root)
}
