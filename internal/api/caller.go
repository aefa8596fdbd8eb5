package api

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
)

// caller is a token that was let in.
type caller struct {
	grant   *auth.Grant
	account auth.AccountID // it acts in: its own, or the one of x-flespi-cid

	source, transport string // the address of the client; "http", or "mqtt" for a published request
}

type callerKey struct{}

func callerOf(ctx context.Context) *caller { return ctx.Value(callerKey{}).(*caller) }

// ActingIn documents the header by which a master acts in another account. The
// middleware reads it, before the input is.
type ActingIn struct {
	CID string `header:"x-flespi-cid" doc:"Act inside this account below the token's own [EXT-REST-3]" pattern:"^[0-9]{1,18}$"`
}

// An Operation's Metadata key says who may call it.
const (
	platformRight = "platform" // only masters
	tokenRight    = "token"    // whoever has a token
)

// authenticate lets a caller in, before the body is read [EXT-REST-1]. Operations
// without a Security requirement are public.
func (s *server) authenticate(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	if len(op.Security) == 0 {
		next(ctx)
		return
	}
	c, err := s.admit(ctx)
	if err == nil {
		err = s.charge(ctx, c.grant.Account)
	}
	if c != nil {
		trailOf(ctx.Context()).known(c)
	}
	if err == nil && op.Metadata[platformRight] != nil && !c.grant.MayPlatform() {
		err = fail(http.StatusForbidden, "the token has no access to /platform") // [EXT-TOK-4]
	}
	if n, _ := strconv.ParseInt(ctx.Header("Content-Length"), 10, 64); err == nil && n > maxBody {
		err = fail(http.StatusRequestEntityTooLarge, "body: is larger than "+strconv.Itoa(maxBody)+" bytes")
	}
	if err != nil {
		e := describe(err)
		if e.Code == http.StatusUnauthorized {
			ctx.SetHeader("WWW-Authenticate", `Bearer realm="alcove"`)
		}
		huma.WriteErr(s.api, ctx, e.Code, e.Reason)
		return
	}
	next(huma.WithValue(ctx, callerKey{}, c))
}

func (s *server) admit(ctx huma.Context) (*caller, error) {
	grant, transport, err := s.present(ctx)
	if err != nil {
		if describe(err).Code == http.StatusTooManyRequests {
			ctx.SetHeader("Retry-After", retryAfter)
		}
		return nil, err
	}
	c := &caller{grant: grant, account: grant.Account, source: ctx.RemoteAddr(), transport: transport}
	if cid := ctx.Header("x-flespi-cid"); cid != "" {
		c.account, err = s.actsIn(grant, cid, ctx.Operation().Metadata[platformRight] != nil)
	}
	return c, err
}

// present finds the caller's grant: by the key, or by the connection on which the
// request was published [EXT-REST-9].
func (s *server) present(ctx huma.Context) (g *auth.Grant, transport string, err error) {
	remote, now := remoteAddr(ctx.RemoteAddr()), time.Now()
	if token, ok := publisherOf(ctx.Context()); ok {
		g, err = s.directory.Revalidate(token, remote, now)
		return g, "mqtt", err
	}
	key, ok := presentedKey(ctx.Header("Authorization"))
	if !ok {
		return nil, "", fail(http.StatusUnauthorized, "header Authorization: FlespiToken <key> or Bearer <key> is missing")
	}
	g, err = s.directory.LoginKey(key, remote, now)
	return g, "http", err
}

// actsIn resolves x-flespi-cid: a master's own account or one below it; for an
// operator's master, in /platform only, also a top-level account [EXT-REST-3]
// [EXT-ACC-3]. Any other answers like one that does not exist [EXT-ACC-1].
func (s *server) actsIn(g *auth.Grant, text string, platform bool) (auth.AccountID, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, fail(http.StatusBadRequest, "x-flespi-cid: must be an account's id")
	}
	id := auth.AccountID(n)
	above := s.directory.Ancestors(id)
	switch {
	case id == g.Account:
	case !g.Master:
		return 0, fail(http.StatusForbidden, "x-flespi-cid: only a master token may act in another account")
	case slices.Contains(above, g.Account):
	case platform && g.Account == auth.Operator && len(above) == 1:
	default:
		return 0, fail(http.StatusNotFound, "x-flespi-cid: not found")
	}
	return id, nil
}

// presentedKey takes the key out of an Authorization header. Schemes compare without
// case.
func presentedKey(header string) (string, bool) {
	scheme, key, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "FlespiToken") && !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(key), true
}

func remoteAddr(text string) netip.Addr {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr()
	}
	return netip.Addr{} // a Unix socket
}

// retryAfter is how many seconds a caller waits whose address has failed too often.
const retryAfter = "1"

// refused is the answer to a login that has failed, for operations that see to it
// themselves.
func refused(err error) error {
	e := describe(err)
	f := fail(e.Code, e.Reason)
	if e.Code == http.StatusTooManyRequests {
		return huma.ErrorWithHeaders(f, http.Header{"Retry-After": {retryAfter}})
	}
	return f
}
