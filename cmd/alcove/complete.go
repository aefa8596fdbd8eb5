package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// completeFlags offers the options of pub and sub, which cobra does not know since they
// read their arguments by themselves.
func completeFlags(cmd *cobra.Command, _ []string, begun string) (offers []string, _ cobra.ShellCompDirective) {
	const files = cobra.ShellCompDirectiveDefault // of -f, --cafile and the like
	if !strings.HasPrefix(begun, "-") {
		return nil, files
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if name := "--" + f.Name; strings.HasPrefix(name, begun) {
			offers = append(offers, name+"\t"+f.Usage)
		}
		if begun == "-" && f.Shorthand != "" {
			offers = append(offers, "-"+f.Shorthand+"\t"+f.Usage)
		}
	})
	return offers, cobra.ShellCompDirectiveNoFileComp
}
