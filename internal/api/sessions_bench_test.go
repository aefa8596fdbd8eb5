package api

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"alcove/internal/broker"
)

// BenchmarkSessions asks for pages of 100,000 sessions: the first, the last, those of a
// mask, one by its id, and those of a condition that looks at every session.
func BenchmarkSessions(b *testing.B) {
	r := newRealBench(b, broker.Limits{})
	const count = 100_000
	for from := 0; from < count; from += maxItems {
		var list []string
		for i := range maxItems {
			list = append(list, fmt.Sprintf(`{"client_id":"device-%06d"}`, from+i))
		}
		r.ok(r.operator, "POST", sessions, "["+strings.Join(list, ",")+"]")
	}
	id := r.ok(r.operator, "GET", by("device-077777"), "").text(0, "id")
	for name, path := range map[string]string{
		"first": "", "last": "/all?offset=99900", "one": "/" + id, "named": "/client_id=device-077777", "mask": "/client_id=device-0777*", "condition": "/connected=true",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				q := httptest.NewRequest("GET", sessions+path, nil)
				q.Header.Set("Authorization", "Bearer "+r.operator)
				w := httptest.NewRecorder()
				if r.handler.ServeHTTP(w, q); w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
