package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"alcove/internal/client"
	"alcove/internal/mqtt"
)

// TestSessionsOnBroker: what REST does to a session acts on its living connection within
// a second, on every transport and version [EXT-REST-4].
func TestSessionsOnBroker(t *testing.T) {
	b := startLive(t)
	b.rest(operatorKey, "POST", "/mqtt/messages", `{"topic":"kept","payload":"r","retain":true}`)
	for i, e := range b.endpoints() {
		for _, v := range []mqtt.Version{mqtt.V311, mqtt.V5} {
			id := fmt.Sprintf("c%d-%d", i, v)
			if status, body := b.rest(operatorKey, "POST", "/mqtt/sessions", `[{"client_id":"`+id+`","expires":600}]`); status != 200 {
				t.Fatal(body)
			}
			path := "/mqtt/sessions/client_id=" + id
			b.rest(operatorKey, "POST", path+"/subscriptions", `[{"topic":"early/`+id+`","qos":1}]`)
			b.rest(operatorKey, "POST", "/mqtt/messages", `{"topic":"early/`+id+`","payload":"e","qos":1}`)
			o := client.Options{Version: v, ClientID: id}
			if v == mqtt.V5 {
				props := mqtt.NewConnectProps()
				props.SessionExpiry, props.HasSessionExpiry = 600, true
				o.Props = &props
			}
			c := b.open(e, o)
			if !c.Connack().SessionPresent {
				t.Errorf("%s: no session was there", id)
			}
			receive := func(want string) {
				t.Helper()
				if m, err := c.Receive(within(t)); err != nil || m.Topic != want {
					t.Fatalf("%s: %+v, %v, want %s", id, m, err, want)
				}
			}
			receive("early/" + id)
			b.rest(operatorKey, "POST", path+"/subscriptions", `[{"topic":"kept"},{"topic":"live/`+id+`"}]`)
			receive("kept")
			b.rest(operatorKey, "POST", "/mqtt/messages", `{"topic":"live/`+id+`"}`)
			receive("live/" + id)
			if _, body := b.rest(operatorKey, "GET", path, ""); !strings.Contains(body, `"subscriptions_count":3`) || !strings.Contains(body, `"transport":"`+string(e.Transport)+`"`) {
				t.Error(body)
			}
			began := time.Now()
			if status, body := b.rest(operatorKey, "DELETE", path, ""); status != 200 {
				t.Error(body)
			}
			<-c.Done()
			var gone *client.DisconnectedError
			if told := errors.As(c.Err(), &gone); told != (v == mqtt.V5) || told && gone.Code != mqtt.AdministrativeAction {
				t.Errorf("%s: %v", id, c.Err())
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: it took %v", id, took)
			}
		}
	}
	if _, body := b.rest(operatorKey, "GET", "/mqtt/sessions", ""); !strings.Contains(body, `"result":[]`) {
		t.Error(body)
	}
}
