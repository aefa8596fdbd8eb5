// Command alcove is a multi-tenant MQTT broker with its tools: the server, a
// publisher, a subscriber, the administration of accounts and tokens, a trial of
// expressions, and a load driver. It composes the settings of the packages below and
// hides nothing else: each command is a file of its name.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
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
	var exit *exitError
	if errors.As(err, &exit) {
		if exit.err != nil {
			fmt.Fprintln(os.Stderr, "alcove:", exit.err)
		}
		return exit.code
	}
	fmt.Fprintln(os.Stderr, "alcove:", err)
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
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newServe(), newConfig(), newPub(), newSub(), newToken(), newAccount(), newExpr(), newBench(), newVersion())
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
