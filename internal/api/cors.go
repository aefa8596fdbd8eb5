package api

import (
	"net/http"
	"slices"
)

// What a page of another origin may do [EXT-REST-10]. Tokens travel in a header, never
// in a cookie, so there are no credentials to allow (attacks row 49).
const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsHeaders = "Authorization, Content-Type, x-flespi-app, x-flespi-cid, x-flespi-trace"
	corsExposed = "Allow, Retry-After, WWW-Authenticate"
	corsMaxAge  = "86400" // seconds that a browser may keep the answer to a preflight
)

// cors tells browsers which origins may read answers.
type cors struct {
	origins []string // empty: any
}

// apply sets the headers of any answer, errors included. It returns true where r only
// asks for them, and is answered: an OPTIONS request.
func (c cors) apply(w http.ResponseWriter, r *http.Request) bool {
	h := w.Header()
	origin := r.Header.Get("Origin")
	allowed := true
	if len(c.origins) == 0 {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Add("Vary", "Origin")
		if allowed = slices.Contains(c.origins, origin); allowed {
			h.Set("Access-Control-Allow-Origin", origin)
		}
	}
	if allowed {
		h.Set("Access-Control-Expose-Headers", corsExposed)
	}
	if r.Method != http.MethodOptions {
		return false
	}
	h.Set("Allow", "OPTIONS, "+corsMethods)
	if allowed {
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsHeaders)
		h.Set("Access-Control-Max-Age", corsMaxAge)
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
