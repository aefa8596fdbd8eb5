package api

import (
	"context"
	"net/http"

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
}

// registerInfo adds /auth/info. It reads the header itself, since a token that may not
// be used may still be asked about: a disabled one answers 200 with enabled:false, an
// unknown one 401 [EXT-REST-11].
func (s *server) registerInfo() {
	add(s, operation{"auth-info", http.MethodGet, "/auth/info", "Who am I: the presented token and its account", ""},
		func(ctx context.Context, in *identify) (*output[identity], error) {
			t, ok, err := s.identify(ctx, in.Authorization)
			if err != nil {
				return nil, err
			}
			a, known := s.directory.Account(t.Account)
			if !ok || !known {
				return nil, fail(http.StatusUnauthorized, "no such token")
			}
			who := identity{t, owner{a.ID, a.Name, a.Parent, s.directory.Blocked(a.ID)}}
			return answer([]identity{who}, nil)
		})
}

// identify finds the token of the header, or the one on whose connection the request was
// published [EXT-REST-9].
func (s *server) identify(ctx context.Context, header string) (t auth.Token, ok bool, err error) {
	if id, published := publisherOf(ctx); published {
		t, ok = s.directory.Token(id)
		return t, ok, nil
	}
	key, ok := presentedKey(header)
	if !ok {
		return t, false, fail(http.StatusUnauthorized, "header Authorization: FlespiToken <key> or Bearer <key> is missing")
	}
	t, ok = s.directory.Identify(key)
	return t, ok, nil
}
