package auth

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestStoredSecrets: what is stored of a key reads back, also in the older form with
// lists of numbers; anything else is refused.
func TestStoredSecrets(t *testing.T) {
	for _, scram := range []bool{false, true} {
		want := newSecrets(newKey(), scram)
		doc, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		older, err := json.Marshal(struct {
			Key       hash      `json:"key"`
			ShortSalt [16]byte  `json:"short_salt"`
			Short     hash      `json:"short"`
			Scram     *verifier `json:"scram,omitempty"`
		}(want))
		if err != nil || !strings.Contains(string(older), `"key":[`) {
			t.Fatal(err, string(older))
		}
		for _, doc := range [][]byte{doc, older} {
			var got secrets
			if err := json.Unmarshal(doc, &got); err != nil {
				t.Fatal(err)
			}
			if got.Key != want.Key || got.ShortSalt != want.ShortSalt || got.Short != want.Short || (got.Scram != nil) != scram {
				t.Errorf("%s gives %+v", doc, got)
			}
			if scram && (got.Scram.StoredKey != want.Scram.StoredKey || got.Scram.Iterations != want.Scram.Iterations) {
				t.Errorf("%s gives %+v", doc, got.Scram)
			}
		}
	}
	for _, bad := range []string{`{}`, `{"key":"AA=="}`, `{"key":[256]}`, `{"key":["x"]}`, `[]`, `{"key":{}}`} {
		if json.Unmarshal([]byte(bad), new(secrets)) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}
