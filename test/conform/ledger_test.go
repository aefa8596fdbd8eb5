package conform

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryVisibleClauseHasACase compares the ledgers with the suite: what
// binds a server and shows from outside must be named by a case, by the wire
// layer's checks of everything a server sends, or by a test of this package.
func TestEveryVisibleClauseHasACase(t *testing.T) {
	files, _ := filepath.Glob("*.go")
	more, _ := filepath.Glob("wire/*.go")
	var text strings.Builder
	for _, f := range append(files, more...) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	named := map[string]bool{}
	for _, id := range regexp.MustCompile(`MQTT(?:311)?-\d+\.\d+\.\d+-\d+|EXT-[A-Z]+-\d+`).FindAllString(text.String(), -1) {
		named[id] = true
	}
	known := map[string]bool{}
	for _, ledger := range []string{"mqtt5.tsv", "mqtt311.tsv", "alcove.tsv"} {
		b, err := os.ReadFile(filepath.Join("..", "..", "docs", "spec", ledger))
		if err != nil {
			t.Fatal(err)
		}
		missing, total := 0, 0
		for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n")[1:] {
			f := strings.Split(line, "\t")
			known[f[0]] = true
			if ledger == "alcove.tsv" && f[4] == "later" || strings.HasPrefix(f[3], "not visible") || f[len(f)-1] != "" {
				continue
			}
			total++
			if !named[f[0]] {
				missing++
				t.Errorf("%s (%s): no case: %s | %s", f[0], f[1], f[2], f[3])
			}
		}
		if total > 0 {
			t.Logf("%s: %d visible statements, %d with a case", ledger, total, total-missing)
		}
	}
	for id := range named {
		if !known[id] {
			t.Errorf("%s is in no ledger", id)
		}
	}
}
