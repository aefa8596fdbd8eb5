package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestGuessing: wrong keys are looked at as often as the rate of their address says,
// then answered 429 with Retry-After, also by what asks about a key itself; other
// addresses are not held back [EXT-TOK-1] [EXT-REST-1].
func TestGuessing(t *testing.T) {
	for _, path := range []string{"/platform/tokens/all", "/auth/info"} {
		b := newBench(t)
		ask := func(from, key string) *httptest.ResponseRecorder {
			req := httptest.NewRequest("GET", path, nil)
			req.RemoteAddr = from
			req.Header.Set("Authorization", "Bearer "+key)
			w := httptest.NewRecorder()
			b.handler.ServeHTTP(w, req)
			return w
		}
		wrong := strings.Repeat("x", 64)
		counts := map[int]int{}
		for range 300 {
			w := ask("192.0.2.7:1", wrong)
			counts[w.Code]++
			if w.Code == http.StatusTooManyRequests && (w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), `"errors"`)) {
				t.Fatalf("%s: %v %s", path, w.Header(), w.Body)
			}
		}
		if counts[401] < 10 || counts[429] == 0 || counts[401]+counts[429] != 300 {
			t.Errorf("%s: %v", path, counts)
		}
		if w := ask("192.0.2.8:1", wrong); w.Code != 401 {
			t.Errorf("%s: another address: %d", path, w.Code)
		}
		if w := ask("192.0.2.7:1", b.operator); w.Code != 200 {
			t.Errorf("%s: a key that is known, from the same address: %d", path, w.Code)
		}
	}
}
