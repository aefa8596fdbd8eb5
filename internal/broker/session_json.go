package broker

import (
	"strconv"

	"alcove/internal/event"
)

// appendJSON appends what json.Marshal gives of i, a test sees to that. Each new session
// is told of so: by reflection that took a twentieth of what a connect costs, and three
// pieces of memory.
func (i *SessionInfo) appendJSON(dst []byte) []byte {
	number := func(name string, v int64) {
		dst = strconv.AppendInt(append(dst, name...), v, 10)
	}
	truth := func(name string, v bool) {
		dst = strconv.AppendBool(append(dst, name...), v)
	}
	text := func(name, v string) {
		dst = event.AppendText(append(dst, name...), v)
	}
	number(`{"id":`, i.ID)
	text(`,"client_id":`, i.ClientID)
	number(`,"cid":`, int64(i.Account))
	truth(`,"connected":`, i.Connected)
	truth(`,"clean":`, i.Clean)
	number(`,"expires":`, int64(i.Expires))
	number(`,"size":`, i.Size)
	text(`,"ip":`, i.IP)
	number(`,"version":`, int64(i.Version))
	number(`,"keep_alive":`, int64(i.KeepAlive))
	number(`,"subscriptions_count":`, int64(i.Subscriptions))
	number(`,"inflight":`, int64(i.Inflight))
	number(`,"created":`, i.Created)
	number(`,"connected_at":`, i.ConnectedAt)
	number(`,"token_id":`, int64(i.Token))
	number(`,"messages_in":`, int64(i.MessagesIn))
	number(`,"messages_out":`, int64(i.MessagesOut))
	text(`,"transport":`, i.Transport)
	return append(dst, '}')
}
