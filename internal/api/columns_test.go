package api

import (
	"testing"

	"pgregory.net/rapid"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
)

// TestColumns: conditions that read the fields say what those do that read the JSON.
func TestColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-c*?é]{0,4}`)
		item := &broker.SessionInfo{
			ID: rapid.Int64Range(0, 12).Draw(t, "id"), ClientID: text.Draw(t, "client_id"), Account: auth.AccountID(rapid.IntRange(1, 2).Draw(t, "cid")),
			Connected: rapid.Bool().Draw(t, "connected"), Expires: rapid.Uint32Range(0, 12).Draw(t, "expires"), Version: mqtt.Version(rapid.IntRange(0, 5).Draw(t, "version")),
			Transport: text.Draw(t, "transport"), MessagesIn: rapid.Uint64Range(0, 11).Draw(t, "in"),
		}
		condition := rapid.SampledFrom([]string{"id", "client_id", "cid", "connected", "expires", "version", "transport", "messages_in", "none", "ID", "Account"})
		value := rapid.SampledFrom([]string{"", "*", "?", "1", "1*", "true", "f*e", "a", "?b", "é*", `\*`, "12", "5", "null"})
		source := condition.Draw(t, "field") + "=" + value.Draw(t, "value")
		if rapid.Bool().Draw(t, "two") {
			source += "," + condition.Draw(t, "field") + "=" + value.Draw(t, "value")
		}
		sel, err := parseSelector(source)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := columnTest[broker.SessionInfo](sel)(item), sel.begin().holds(item); got != want {
			t.Fatalf("%s: %v, want %v of %+v", source, got, want, item)
		}
	})
}
