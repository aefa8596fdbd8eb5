package api

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// messageStream writes an answer's messages while the broker reads them: in memory
// are one message and streamBuffer bytes, however many there are.
type messageStream struct {
	server        *server
	caller        *caller
	fields        []pickedField // of each message; nil: all
	limit, offset int           // limit 0: no page, all of them

	outflow
	remote  netip.Addr
	rights  *auth.Rights
	now     time.Time
	json    *json.Encoder
	count   int // messages that the query has given
	written int
}

// may tells whether the caller may see a topic, by the rights now in force.
func (st *messageStream) may(name []byte) bool { return st.rights.RESTTopic(auth.GET, name) }

// run answers: messages as they come, then what belongs after them.
func (st *messageStream) run(hc huma.Context, q broker.RetainedQuery) {
	// The adapter's body writer is the response itself.
	st.out = hc.BodyWriter().(http.ResponseWriter)
	st.control = http.NewResponseController(st.out)
	st.remote, st.rights, st.now = remoteAddr(hc.RemoteAddr()), st.caller.grant.Rights(""), time.Now()
	st.json = json.NewEncoder(&st.buf)
	st.json.SetEscapeHTML(false)
	st.buf.WriteString(`{"result":[`)
	err := st.server.broker.FindRetained(hc.Context(), q, st.take)
	if err == nil {
		err = st.err
	}
	if err != nil && !st.started {
		e := describeMessage(err)
		hc.SetHeader("Content-Type", "application/json")
		hc.SetStatus(e.Code)
		_ = json.NewEncoder(st.out).Encode(&Failure{Errors: []Error{e}})
		return
	}
	st.buf.WriteByte(']')
	if err != nil {
		st.member("errors", []Error{describeMessage(err)})
	}
	if st.limit != 0 || st.offset != 0 {
		st.member("pagination", messagePagination{
			Pagination: Pagination{Limit: st.limit, Offset: st.offset, Count: st.count}, More: st.counted(),
		})
	}
	st.buf.WriteByte('}')
	st.send()
	_ = st.control.SetWriteDeadline(time.Time{}) // the connection goes on
}

func (st *messageStream) member(name string, value any) {
	st.buf.WriteString(`,"` + name + `":`)
	_ = st.json.Encode(value) // into memory
}

// counted tells that counting has gone on long enough behind the page.
func (st *messageStream) counted() bool {
	return st.limit != 0 && st.count-st.offset-st.limit >= maxCounted
}

// take writes a message, where it is on the page, and counts it.
func (st *messageStream) take(m *broker.Message) bool {
	st.count++
	if st.count <= st.offset {
		return true
	}
	if st.limit != 0 && st.written == st.limit {
		return !st.counted()
	}
	shown, err := showMessage(m, st.now)
	if err != nil {
		st.err = err
		return false
	}
	if st.written > 0 {
		st.buf.WriteByte(',')
	}
	st.written++
	if st.fields == nil {
		st.err = st.json.Encode(shown)
	} else {
		st.err = st.some(&shown)
	}
	if st.err == nil && st.buf.Len() >= streamBuffer {
		st.err = st.recheck()
		st.send()
	}
	return st.err == nil
}

// pickedField is a field of retainedMessage.
type pickedField struct {
	name     string
	index    int
	optional bool // left out where it is zero
}

// pickFields finds fields by their names in JSON, in the order of the asking; unknown
// ones are passed over.
func pickFields(names []string) []pickedField {
	picked := []pickedField{}
	t := reflect.TypeFor[retainedMessage]()
	for _, name := range names {
		for i := range t.NumField() {
			tag, optional := strings.CutSuffix(t.Field(i).Tag.Get("json"), ",omitempty")
			if tag == name && !slices.ContainsFunc(picked, func(f pickedField) bool { return f.index == i }) {
				picked = append(picked, pickedField{name, i, optional})
			}
		}
	}
	return picked
}

// some writes the asked fields of a message.
func (st *messageStream) some(shown *retainedMessage) error {
	v := reflect.ValueOf(shown).Elem()
	open := byte('{')
	for _, f := range st.fields {
		field := v.Field(f.index)
		if f.optional && field.IsZero() {
			continue
		}
		st.buf.WriteByte(open)
		open = ','
		st.buf.WriteString(`"` + f.name + `":`)
		if err := st.json.Encode(field.Interface()); err != nil {
			return err
		}
		st.buf.Truncate(st.buf.Len() - 1) // the encoder's line feed
	}
	if open == '{' {
		st.buf.WriteByte('{')
	}
	st.buf.WriteString("}\n")
	return nil
}

// recheck asks, as often as something is sent, whether the token still stands, and
// takes the rights it has now [EXT-TOK-8].
func (st *messageStream) recheck() error {
	st.now = time.Now()
	g, err := st.server.directory.Revalidate(st.caller.grant.Token, st.remote, st.now)
	switch {
	case err != nil:
		return err
	case g.Account != st.caller.account && !g.Master:
		return fail(http.StatusForbidden, "x-flespi-cid: only a master token may act in another account")
	}
	st.rights = g.Rights("")
	return nil
}
