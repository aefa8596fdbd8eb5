package admin

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/remote"
)

// Exit is how a command ends.
type Exit int

// The exit codes.
const (
	Done        Exit = 0 // everything was done
	Failed      Exit = 1 // the broker was not reached, or did not answer as a broker does
	Usage       Exit = 2 // the command line is wrong; nothing was asked
	Forbidden   Exit = 3 // the token is not valid, or may not do this
	NotFound    Exit = 4 // there is no such item
	Refused     Exit = 5 // the broker refuses the request as it is
	Limited     Exit = 6 // a limit is reached, or the broker is busy: later it may work
	Partly      Exit = 7 // some items failed, the others were done
	Unconfirmed Exit = 8 // nobody said yes; nothing was done
)

// exitHelp explains the codes in the help of each group.
const exitHelp = `Exit codes: 0 done; 1 no broker, or no answer of one; 2 wrong command line; 3 the
token may not; 4 not found; 5 refused as it is; 6 a limit is reached, or the broker is
busy; 7 some items failed, the others were done; 8 not confirmed, nothing done.
Errors go to the standard error output.`

// Error is an error with its exit code.
type Error struct {
	Code Exit
	Err  error
}

// Error returns the text of the error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the error itself.
func (e *Error) Unwrap() error { return e.Err }

// ExitCode is the code with which the program ends.
func (e *Error) ExitCode() int { return int(e.Code) }

// wrong is an error of the command line.
func wrong(format string, args ...any) error { return &Error{Usage, fmt.Errorf(format, args...)} }

// classify gives an error its exit code.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*remote.UsageError](err); ok {
		return &Error{Usage, err}
	}
	faults, ok := errors.AsType[*remote.Faults](err)
	switch {
	case !ok:
		return &Error{Failed, err}
	case faults.Items > 0:
		return &Error{Partly, err}
	}
	return &Error{exitOf(faults.List[0].Code), err}
}

// exitOf is the exit code of an HTTP status.
func exitOf(status int) Exit {
	switch status {
	case 401, 403:
		return Forbidden
	case 404:
		return NotFound
	case 408, 429, 502, 503, 504:
		return Limited
	}
	if status >= 500 {
		return Failed
	}
	return Refused
}

// checked makes errors of flags and of the number of arguments usage errors, in a
// command and those below it.
func checked(cmd *cobra.Command) *cobra.Command {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &Error{Usage, err} })
	if count := cmd.Args; count != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := count(cmd, args); err != nil {
				return &Error{Usage, fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
			}
			return nil
		}
	}
	if act := cmd.RunE; act != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error { return classify(act(cmd, args)) }
	}
	for _, sub := range cmd.Commands() {
		checked(sub)
	}
	return cmd
}
