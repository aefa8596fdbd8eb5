package api

import (
	"embed"
	"net/http"
)

// pages is the page that shows the OpenAPI document, with what it needs: nothing comes
// from another host [EXT-REST-7].
//
//go:embed docs/index.html docs/docs.css docs/docs.js
var pages embed.FS

// pagePolicy lets the page run its own script and style and read our document, nothing
// else (attacks row 50).
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// registerPages adds the page at /docs.
func (s *server) registerPages() {
	for path, file := range map[string]struct{ name, kind string }{
		"/docs":          {"docs/index.html", "text/html; charset=utf-8"},
		"/docs/docs.css": {"docs/docs.css", "text/css; charset=utf-8"},
		"/docs/docs.js":  {"docs/docs.js", "text/javascript; charset=utf-8"},
	} {
		content, err := pages.ReadFile(file.name)
		if err != nil {
			panic("api: " + err.Error()) // it is embedded
		}
		s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", file.kind)
			w.Header().Set("Content-Security-Policy", pagePolicy)
			w.Header().Set("X-Frame-Options", "DENY")
			_, _ = w.Write(content)
		})
	}
}
