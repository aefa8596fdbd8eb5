package broker

import (
	"errors"

	"alcove/internal/auth"
	"alcove/internal/event"
	"alcove/internal/mqtt"
)

// Refused tells the account of a token that a client was refused in its name before it
// came to Connect: the token is disabled, has expired, is not for this address, or its
// key was wrong. The Client Identifier is borrowed.
func (b *Broker) Refused(t *Turn, r *auth.Refusal, clientID []byte, out Outlet) {
	if b.observer != nil {
		t.noteRefused(r.Account, r.Token, string(clientID), out, r.Cause)
	}
}

// refuse ends a CONNECT with an error, and tells the account.
func (c *connecting) refuse(t *Turn, err error) {
	t.noteRefused(c.ns.account, c.a.grant.Token, c.clientID, c.out, err)
	c.done(t, Connected{}, err)
}

// noteRefused notes a refused client: because of its account [EXT-ACC-4] (blocked, or at
// a limit), or because of its token or its packet [EXT-LOG-1].
func (t *Turn) noteRefused(account auth.AccountID, token auth.TokenID, clientID string, out Outlet, err error) {
	if t.b.observer == nil {
		return
	}
	r := event.Record{Code: event.ConnectRejected, Account: int64(account), Token: int64(token), ClientID: clientID}
	remote, transport := out.Peer()
	if r.Transport = transport; remote.IsValid() {
		r.Source = remote.String()
	}
	r.Close, r.Reason = int(mqtt.UnspecifiedError), err.Error()
	if e := (*mqtt.Error)(nil); errors.As(err, &e) {
		r.Close, r.Reason = int(e.Code), e.Reason
		if e.Code == mqtt.Banned || e.Code == mqtt.QuotaExceeded && e.Reason != errStoreFull {
			r.Code = event.ConnectBlocked
		}
	}
	t.note(r)
}
