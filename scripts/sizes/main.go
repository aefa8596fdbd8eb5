// Command sizes writes what the structures of which the broker has many take, field by
// field, into docs/sizes.md. `make sizes` calls it; a test compares the file with the code.
//
// It hides how the structures are found: the project's packages are type-checked from
// their source, what they import comes from the compiler's own export data, and the
// compiler's rules for 64-bit x86 give the layout. Its nouns: a house (the packages, checked),
// a structure (one type of which there are many), a row (a field, or the room between two).
// Invariants: nothing is typed by hand but the names of the structures; the result is the
// same on every machine.
//
// Usage: sizes, from the root of the project.
package main

import (
	"fmt"
	"os"
)

// document is what is written.
const document = "docs/sizes.md"

func main() {
	text, err := report(".")
	if err == nil {
		err = os.WriteFile(document, text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sizes:", err)
		os.Exit(1)
	}
}
