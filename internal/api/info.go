package api

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
)

// identity is who a token is.
type identity struct {
	auth.Token
	Owner owner `json:"account"`
}

type owner struct {
	ID      auth.AccountID `json:"id"`
	Name    string         `json:"name"`
	Parent  auth.AccountID `json:"cid"`
	Blocked bool           `json:"blocked" doc:"This account or one above it is blocked"`
}

type identify struct {
	Authorization string `header:"Authorization" doc:"FlespiToken <key> or Bearer <key>"`

	from    netip.Addr
	traffic *traffic
}

// Resolve implements huma.Resolver: failed logins are counted by address, and the
// request is its token's account's to pay.
func (in *identify) Resolve(ctx huma.Context) []error {
	in.from = remoteAddr(ctx.RemoteAddr())
	in.traffic = trafficOf(ctx)
	return nil
}

// registerInfo adds /auth/info. It reads the header itself, since a token that may not
// be used may still be asked about: a disabled one answers 200 with enabled:false, an
// unknown one 401 [EXT-REST-11].
func (s *server) registerInfo() {
	add(s, operation{"auth-info", http.MethodGet, "/auth/info", "Who am I: the presented token and its account", ""},
		func(ctx context.Context, in *identify) (*output[identity], error) {
			t, err := s.identify(ctx, in)
			if err != nil {
				return nil, err
			}
			a, known := s.directory.Account(t.Account)
			if !known {
				return nil, fail(http.StatusUnauthorized, "no such token")
			}
			trailOf(ctx).known(&caller{
				grant: &auth.Grant{Account: t.Account, Token: t.ID}, account: t.Account, transport: "http",
			})
			if wait, err := s.levy(a.ID, in.traffic); err != nil { // [EXT-LIM-1]
				return nil, huma.ErrorWithHeaders(err, http.Header{"Retry-After": {wait}})
			}
			who := identity{t, owner{a.ID, a.Name, a.Parent, s.directory.Blocked(a.ID)}}
			return answer([]identity{who}, nil)
		})
}

// identify finds the token of the header, or the one on whose connection the request was
// published [EXT-REST-9].
func (s *server) identify(ctx context.Context, in *identify) (auth.Token, error) {
	if id, published := publisherOf(ctx); published {
		t, ok := s.directory.Token(id)
		if !ok {
			return t, fail(http.StatusUnauthorized, "no such token")
		}
		return t, nil
	}
	key, ok := presentedKey(in.Authorization)
	if !ok {
		return auth.Token{}, fail(http.StatusUnauthorized, "header Authorization: FlespiToken <key> or Bearer <key> is missing")
	}
	t, err := s.directory.Identify(key, in.from, time.Now())
	if err != nil {
		return t, refused(err)
	}
	return t, nil
}
