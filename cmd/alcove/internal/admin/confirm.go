package admin

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"alcove/cmd/alcove/internal/screen"
)

// confirm asks a person whether to go on. Where nobody can be asked, the answer is no.
func confirm(cmd *cobra.Command, question string) error {
	if !screen.IsTerminal(cmd.InOrStdin()) {
		return &Error{Unconfirmed, errors.New(screen.Cell(question) + " Nobody can be asked here: give --yes")}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", screen.Cell(question))
	answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &Error{Unconfirmed, errors.New("nothing was done")}
}

// addYes declares the option that answers beforehand.
func addYes(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do not ask")
}

// plural writes a number of things.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
