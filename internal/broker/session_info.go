package broker

import (
	"cmp"
	"slices"

	"alcove/internal/auth"
	"alcove/internal/mqtt"
)

// SessionInfo is a session as its account sees it [EXT-REST-4]. The figures of a
// connection are those of the present one, zero without one.
type SessionInfo struct {
	ID            int64          `json:"id"`
	ClientID      string         `json:"client_id"`
	Account       auth.AccountID `json:"cid" doc:"The account that it belongs to"`
	Connected     bool           `json:"connected"`
	Clean         bool           `json:"clean" doc:"It ends with its connection"`
	Expires       uint32         `json:"expires" doc:"Seconds that it lives after its connection has ended; 4294967295 = for ever"`
	Size          int64          `json:"size" doc:"Bytes in its queue"`
	IP            string         `json:"ip" doc:"Where the client is; empty without a connection"`
	Version       mqtt.Version   `json:"version" doc:"3 = MQTT 3.1, 4 = 3.1.1, 5; 0 without a connection"`
	KeepAlive     uint16         `json:"keep_alive" doc:"Seconds; 0 = none"`
	Subscriptions int            `json:"subscriptions_count"`
	Inflight      int            `json:"inflight" doc:"Messages sent and not yet acknowledged"`
	Created       int64          `json:"created" doc:"UNIX seconds"`
	ConnectedAt   int64          `json:"connected_at" doc:"UNIX seconds; 0 without a connection"`
	Token         auth.TokenID   `json:"token_id" doc:"Whose rights it has; 0 = that of an account above, or none"`
	MessagesIn    uint64         `json:"messages_in" doc:"PUBLISH packets that this connection has brought"`
	MessagesOut   uint64         `json:"messages_out" doc:"PUBLISH packets that it was sent"`
	Transport     string         `json:"transport" doc:"tcp, tls, ws, wss, unix, or sse for a stream"`
}

// place tells where a session lies to the one with this id.
func (id OwnerID) place(s *Session) int { return cmp.Compare(s.id, id) }

// sessionsPage is how many sessions are taken from the table under one lock.
const sessionsPage = 256

// EachSession gives the sessions of an account to yield, oldest first, until that
// returns false. named, where it is not nil, is asked first, with the Client Identifier
// alone. No lock is held meanwhile: sessions that come or go may or may not be
// among them. The error is auth.ErrNotFound.
func (b *Broker) EachSession(account auth.AccountID, named func(clientID string) bool, yield func(SessionInfo) bool) error {
	ns, ok := b.namespace(account)
	if !ok {
		return auth.ErrNotFound
	}
	page := make([]*Session, 0, sessionsPage)
	for next := OwnerID(0); ; next = page[len(page)-1].id + 1 {
		page = page[:0]
		ns.mu.Lock()
		for s := range ns.ordered.From(next.place) {
			if page = append(page, s); len(page) == sessionsPage {
				break
			}
		}
		ns.mu.Unlock()
		for _, s := range page {
			if named != nil && !named(s.clientID) {
				continue
			}
			if info, there := s.info(); there && !yield(info) {
				return nil
			}
		}
		if len(page) < sessionsPage {
			return nil
		}
	}
}

// Session returns one session of the account; false where it has none with this id.
func (b *Broker) Session(account auth.AccountID, id int64) (SessionInfo, bool) {
	s, err := b.session(account, id)
	if err != nil {
		return SessionInfo{}, false
	}
	return s.info()
}

// session finds a session by the id that its account sees. Ids of other accounts'
// sessions are like those that do not exist [EXT-ACC-1].
func (b *Broker) session(account auth.AccountID, id int64) (*Session, error) {
	owner, ok := b.directory.Reveal(id)
	ns, active := b.namespace(account)
	if !ok || !active {
		return nil, auth.ErrNotFound
	}
	ns.mu.Lock()
	s, ok := ns.ordered.Get(OwnerID(owner).place)
	ns.mu.Unlock()
	if !ok {
		return nil, auth.ErrNotFound
	}
	return s, nil
}

// info describes the session; false where it has ended, or its first connection is
// still on its way.
func (s *Session) info() (SessionInfo, bool) {
	s.mu.Lock()
	if s.ended || s.epoch == 0 && !s.lasting.Load() {
		s.mu.Unlock()
		return SessionInfo{}, false
	}
	a := s.link.Load()
	i := SessionInfo{
		ClientID: s.clientID, Account: s.ns.account, Connected: a != nil,
		Clean: s.expiry == 0, Expires: s.expiry, Size: s.queue.bytes, Subscriptions: s.subs.len(),
		Created: s.created / 1e9, Token: s.token,
	}
	if a != nil {
		i.Version, i.KeepAlive, i.ConnectedAt = a.version, a.keepAlive, a.since/1e9
		i.Inflight, i.MessagesIn = s.queue.inflight, a.figures.published.Load()
	}
	s.mu.Unlock()
	i.ID = s.public()
	if a != nil {
		remote, transport := a.out.Peer()
		if i.Transport, i.MessagesOut = transport, a.out.Sent(); remote.IsValid() {
			i.IP = remote.Addr().Unmap().String()
		}
	}
	return i, true
}

// Subscriptions returns the subscriptions of one session of the account, in the order
// of their texts. The error is auth.ErrNotFound.
func (b *Broker) Subscriptions(account auth.AccountID, id int64) ([]SubscriptionInfo, error) {
	s, err := b.session(account, id)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	all := s.subs.all()
	s.mu.Unlock()
	list := make([]SubscriptionInfo, len(all))
	for i, sub := range all { // they never change
		list[i] = sub.described()
	}
	slices.SortFunc(list, SubscriptionInfo.compare)
	return list, nil
}
