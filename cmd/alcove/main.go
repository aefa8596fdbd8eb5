// Command alcove is a multi-tenant MQTT broker with its tools: the server, a
// publisher, a subscriber, the administration of accounts and what is in them, a trial
// of expressions, and a load driver. It composes the settings of the packages below and
// hides nothing else: each command is a file of its name.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/admin"
	"alcove/cmd/alcove/internal/screen"
)

func main() { os.Exit(run(os.Args[1:])) }

// exitError ends the program with a code of its own; the message has been printed
// when err is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// run executes the command line and returns the exit code.
func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return 0
	}
	// Errors may hold what somebody else wrote: a reason of the broker's, a name.
	if exit, ok := errors.AsType[*exitError](err); ok {
		if exit.err != nil {
			fmt.Fprintln(os.Stderr, "alcove:", screen.Escape(exit.err.Error()))
		}
		return exit.code
	}
	fmt.Fprintln(os.Stderr, "alcove:", screen.Escape(err.Error()))
	if coded, ok := errors.AsType[*admin.Error](err); ok {
		return coded.ExitCode()
	}
	return 1
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "alcove",
		Short:         "A multi-tenant MQTT broker (3.1, 3.1.1 and 5.0) in one binary",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.AddCommand(newServe(), newConfig(), newPub(), newSub(), newExpr(), newBench(), newVersion())
	root.AddCommand(admin.Commands()...)
	return root
}

// release is set by the linker for a release.
var release = ""

// version returns the release, or what the build knows about its commit.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			commit = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if commit == "" {
		return "development"
	}
	return "development-" + commit + dirty
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "alcove", version())
		},
	}
}
