package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"alcove/internal/client"
	"alcove/internal/mqtt"
	"alcove/internal/server"
)

// live is a broker process that a test talks to by the client package.
type live struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   *output
	ports map[string]string
	data  string
}

// startLive runs a broker on free ports.
func startLive(t *testing.T, args ...string) *live {
	bin, err := exec.LookPath("alcove")
	if err != nil {
		t.Fatal(err)
	}
	b := &live{t: t, ports: make(map[string]string), data: t.TempDir()}
	all := []string{"serve", "--data", b.data, "--unix", filepath.Join(b.data, "socket")}
	for _, l := range []string{"mqtt", "mqtts", "http", "https"} {
		all = append(all, "--"+l, "127.0.0.1:0")
	}
	b.cmd = exec.Command(bin, append(all, args...)...)
	b.cmd.Env = append(os.Environ(), "ALCOVE_OPERATOR_TOKEN="+operatorKey)
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b.out = gather(out)
	t.Cleanup(func() {
		if b.cmd.ProcessState == nil {
			b.cmd.Process.Kill()
			b.cmd.Wait()
		}
	})
	line, ok := b.out.line("alcove: ")
	if !ok {
		t.Fatalf("the broker did not start: %s", line)
	}
	for _, m := range regexp.MustCompile(`(mqtts?|https?) (\S+)`).FindAllStringSubmatch(line, -1) {
		b.ports[m[1]] = m[2]
	}
	return b
}

// endpoints are all ways to the broker.
func (b *live) endpoints() []client.Endpoint {
	cfg, err := client.TLSFiles{CAFile: filepath.Join(b.data, "tls", "tls-cert.pem")}.Config()
	if err != nil {
		b.t.Fatal(err)
	}
	return []client.Endpoint{
		{Transport: client.TCP, Address: b.ports["mqtt"]},
		{Transport: client.TLS, Address: b.ports["mqtts"], TLS: cfg},
		{Transport: client.WS, Address: b.ports["http"], Path: "/x"},
		{Transport: client.WSS, Address: b.ports["https"], TLS: cfg},
		{Transport: client.Unix, Address: filepath.Join(b.data, "socket")},
	}
}

// open connects as the operator.
func (b *live) open(e client.Endpoint, o client.Options) *client.Client {
	b.t.Helper()
	if o.Auth == nil {
		o.Username = []byte(operatorKey)
	}
	c, err := client.Open(within(b.t), e, o)
	if err != nil {
		b.t.Fatalf("%s, MQTT %v: %v", e, o.Version, err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestClientOnBroker runs our client against our broker: every transport, version and
// QoS, small and large.
func TestClientOnBroker(t *testing.T) {
	b := startLive(t)
	for i, e := range b.endpoints() {
		for _, v := range []mqtt.Version{mqtt.V31, mqtt.V311, mqtt.V5} {
			large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20/16)
			if v == mqtt.V5 {
				large = bytes.Repeat(large, 10)
			}
			name := fmt.Sprintf("t/%d/%d", i, v)
			c := b.open(e, client.Options{Version: v, ClientID: fmt.Sprintf("c%d-%d", i, v), CleanStart: true, KeepAlive: 30 * time.Second})
			ack, err := c.Subscribe(within(t), client.Subscription{Filters: []client.Filter{{Filter: name, SubscribeOptions: mqtt.SubscribeOptions{QoS: 2}}}})
			if err != nil || ack.Codes[0] != mqtt.GrantedQoS2 {
				t.Fatalf("%s MQTT %v: %+v, %v", e, v, ack, err)
			}
			for qos := mqtt.QoS0; qos <= mqtt.QoS2; qos++ {
				for _, payload := range [][]byte{nil, []byte("x"), large} {
					if r, err := c.Publish(within(t), &client.Message{Topic: name, Payload: payload, QoS: qos}); err != nil || r.Code.Failed() {
						t.Fatalf("%s MQTT %v QoS %d: %+v, %v", e, v, qos, r, err)
					}
					m, err := c.Receive(within(t))
					if err != nil || m.QoS != qos || m.Topic != name || !bytes.Equal(m.Payload, payload) {
						t.Fatalf("%s MQTT %v QoS %d: %d bytes came back, %v", e, v, qos, len(m.Payload), err)
					}
				}
			}
			if err := c.Disconnect(within(t), nil); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestShutdown: clients are told, what was acknowledged is there after the restart,
// and the exit code is 0.
func TestShutdown(t *testing.T) {
	b := startLive(t)
	props := mqtt.NewConnectProps()
	props.SessionExpiry, props.HasSessionExpiry = 100, true
	c := b.open(b.endpoints()[0], client.Options{ClientID: "c", Props: &props})
	old := b.open(b.endpoints()[0], client.Options{Version: mqtt.V311, ClientID: "old", CleanStart: true})
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	var gone *client.DisconnectedError
	if !errors.As(c.Err(), &gone) || gone.Code != mqtt.ServerShuttingDown {
		t.Errorf("the client was told %v", c.Err())
	}
	<-old.Done()
	b.out.line("\x00")
	if err := b.cmd.Wait(); err != nil {
		t.Errorf("the broker ended with %v", err)
	}
}

// TestReauthenticationOnBroker: SCRAM at CONNECT and again on the living connection.
func TestReauthenticationOnBroker(t *testing.T) {
	b := startLive(t)
	body := strings.NewReader(`[{"info":"x","ttl":3600,"scram":true,"access":{"type":0}}]`)
	req, err := http.NewRequestWithContext(within(t), "POST", "http://"+b.ports["http"]+"/platform/tokens", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "FlespiToken "+operatorKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Result []struct {
			ID  int64
			Key string
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Result) != 1 {
		t.Fatalf("%+v, %v", answer, err)
	}
	made := answer.Result[0]
	scram := func() client.Authenticator { return client.NewSCRAM(fmt.Sprint(made.ID), made.Key) }
	c := b.open(b.endpoints()[0], client.Options{ClientID: "s", CleanStart: true, Auth: scram()})
	for range 2 {
		if err := c.Reauthenticate(within(t), scram()); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := c.Publish(within(t), &client.Message{Topic: "x", QoS: 1}); err != nil || r.Code.Failed() {
		t.Errorf("%+v, %v", r, err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestStartLine(t *testing.T) {
	for want, a := range map[string]server.Addrs{
		"alcove: mqtt 127.0.0.1:1  https [::1]:2  data /d": {MQTT: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, HTTPS: &net.TCPAddr{IP: net.IPv6loopback, Port: 2}},
		"alcove: mqtts 0.0.0.0:3  http [::]:4  data /d":    {MQTTS: &net.TCPAddr{IP: net.IPv4zero, Port: 3}, HTTP: &net.TCPAddr{IP: net.IPv6zero, Port: 4}},
		"alcove: http [::]:5  unix /s  data /d":            {HTTP: &net.TCPAddr{Port: 5}, Unix: &net.UnixAddr{Name: "/s"}},
	} {
		if got := startLine(a, "/d"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
