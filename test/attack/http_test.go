package attack

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"alcove/test/alcovetest"
)

// exchange sends bytes on a connection of their own to the HTTP port and returns the
// statuses of the answers until it is closed or nothing has come for a while.
func exchange(t *testing.T, b *alcovetest.Broker, header, text string) (statuses []int, closed bool) {
	t.Helper()
	nc, err := net.Dial("tcp", b.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(2 * time.Second))
	go io.WriteString(nc, header+text)
	r := bufio.NewReader(nc)
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			var timeout net.Error
			return statuses, !errors.As(err, &timeout) || !timeout.Timeout()
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return append(statuses, resp.StatusCode), true
		}
		if resp.StatusCode != 400 && resp.StatusCode != 505 && resp.StatusCode != 501 && resp.StatusCode != 431 && !json.Valid(body) {
			t.Errorf("%.60q: %d is not JSON: %.200s", text, resp.StatusCode, body)
		}
		statuses = append(statuses, resp.StatusCode)
	}
}

// A request ends in one place only, for us and for whoever stands before us: what is
// unclear is refused, or the last thing that is read of the connection. Each text
// carries the operator's deletion of its token behind the doubtful request; at most
// the requests that are counted may be answered, and the token must stay.
func TestRow47_smuggling(t *testing.T) {
	t.Parallel()
	for _, proxied := range []bool{false, true} {
		config, header := alcovetest.Config{}, ""
		if proxied {
			config.Env = []string{"ALCOVE_PROXY_TRUSTED=127.0.0.1/32"}
			header = "PROXY TCP4 192.0.2.7 192.0.2.1 5000 80\r\n"
		}
		t.Run(fmt.Sprint("proxied ", proxied), func(t *testing.T) {
			t.Parallel()
			b := alcovetest.Start(t, config)
			smuggling(t, b, header)
		})
	}
}

func smuggling(t *testing.T, b *alcovetest.Broker, header string) {
	hidden := "DELETE /platform/tokens/enabled=true HTTP/1.1\r\nHost: h\r\nAuthorization: FlespiToken " + b.Token + "\r\n\r\n"
	inChunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hidden), hidden)
	for _, c := range []struct {
		name, text string
		answers    string // statuses in order
		stays      bool   // the connection is good for more
	}{
		{"plain", "GET /auth/regions HTTP/1.1\r\nHost: h\r\n\r\n", "200", true},
		{"pipelined", strings.Repeat("GET /auth/regions HTTP/1.1\r\nHost: h\r\n\r\n", 3), "200 200 200", true},
		{"a body that looks like a request", fmt.Sprintf("POST /auth/regions HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden), "405", true},
		{"a body on GET", fmt.Sprintf("GET /auth/regions HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden), "200", true},
		{"chunks", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunk, "405", false},
		{"CL.TE", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "405", false},
		{"TE.CL", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n" + inChunk, "405", false},
		{"TE twice", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden, "501", false},
		{"TE list", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + hidden, "501", false},
		{"TE unknown", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\nContent-Length: 1\r\n\r\nx" + hidden, "501", false},
		{"TE with a control character", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" + hidden, "400", false},
		{"space before the colon", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden, "400", false},
		{"TE in HTTP/1.0", "POST /auth/regions HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden, "405", false},
		{"CL twice", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n" + hidden, "400", false},
		{"CL list", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nContent-Length: 0, 9\r\n\r\n" + hidden, "400", false},
		{"CL with a sign", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nContent-Length: +0\r\n\r\n" + hidden, "400", false},
		{"CL negative", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n" + hidden, "400", false},
		{"CL hexadecimal", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nContent-Length: 0x0\r\n\r\n" + hidden, "400", false},
		{"CL beyond 64 bits", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551616\r\n\r\n" + hidden, "400", false},
		{"CL folded", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n 9\r\n\r\n" + hidden, "400", false},
		{"a fold at the beginning", "GET /auth/regions HTTP/1.1\r\n X: y\r\nHost: h\r\n\r\n" + hidden, "400", false},
		{"a line without a colon", "GET /auth/regions HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n" + hidden, "400", false},
		{"a NUL in a header", "GET /auth/regions HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n" + hidden, "400", false},
		{"a lone CR in a header", "GET /auth/regions HTTP/1.1\r\nHost: h\r\nX: a\rContent-Length: 9\r\n\r\n" + hidden, "400", false},
		{"no Host", "GET /auth/regions HTTP/1.1\r\n\r\n" + hidden, "400", false},
		{"two Hosts", "GET /auth/regions HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + hidden, "400", false},
		{"a bad Host", "GET /auth/regions HTTP/1.1\r\nHost: a b/c\r\n\r\n" + hidden, "400", false},
		{"HTTP/9.9", "GET /auth/regions HTTP/9.9\r\nHost: h\r\n\r\n" + hidden, "505", false},
		{"no version", "GET /auth/regions\r\nHost: h\r\n\r\n" + hidden, "400", false},
		{"spaces in the line", "GET /auth/regions HTTP/1.1 HTTP/1.1\r\nHost: h\r\n\r\n" + hidden, "400", false},
		{"a chunk size that is none", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + hidden, "405", false},
		{"a chunk size beyond 64 bits", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" + hidden, "405", false},
		{"a chunk longer than said", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n" + hidden, "405", false},
		{"a lone LF in a chunk extension", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n" + hidden, "405", false},
		{"a header in the trailer", "POST /auth/regions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\n\r\n" + hidden, "405", false},
		{"a header of 64 KiB", "GET /auth/regions HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n" + hidden, "431", false},
		{"ten thousand headers", "GET /auth/regions HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", 10_000) + "\r\n" + hidden, "431", false},
		{"a path of 64 KiB", "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n" + hidden, "431", false},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden, "404", false},
		{"an upgrade to HTTP/2", "GET /auth/regions HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", "200", true},
	} {
		statuses, closed := exchange(t, b, header, c.text)
		if got := strings.Trim(fmt.Sprint(statuses), "[]"); got != c.answers || closed == c.stays {
			t.Errorf("%s: %s, closed %v; want %s, %v", c.name, got, closed, c.answers, !c.stays)
		}
	}
	// With its only token the operator would have lost the way in.
	if got, _ := exchange(t, b, header, strings.Replace(hidden, "DELETE", "GET", 1)); fmt.Sprint(got) != "[200]" {
		t.Errorf("a hidden request was obeyed: %v", got)
	}
}

// Bodies that do not come, or come slowly, are not waited for without end, and one that
// is larger than it says ends where it says.
func TestRow47_bodies(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	began := time.Now()
	grows(t, b, 64<<20, func() {
		var slow []net.Conn
		for i := range 200 {
			nc, err := net.Dial("tcp", b.HTTP)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			path, key := "/platform/tokens", b.Token
			if i%2 == 0 {
				path, key = "/auth/regions", "" // nobody reads it
			}
			fmt.Fprintf(nc, "POST %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Length: 200000\r\n\r\n[", path, key)
			slow = append(slow, nc)
		}
		others(t, b)
		for i, nc := range slow {
			nc.SetReadDeadline(began.Add(50 * time.Second))
			text, err := io.ReadAll(nc)
			if err != nil {
				t.Fatalf("a body that does not come is waited for: %v", err)
			}
			if want := []string{"HTTP/1.1 405 ", "HTTP/1.1 408 "}[i%2]; !strings.HasPrefix(string(text), want) {
				t.Errorf("%.80q, want %s", text, want)
			}
		}
	})
	auth := "Host: h\r\nAuthorization: Bearer " + b.Token + "\r\n"
	for _, c := range []struct{ name, text, want string }{
		{"9 MiB said", "POST /platform/tokens HTTP/1.1\r\n" + auth + "Content-Length: 9437184\r\n\r\n[]", "413"},
		{"a terabyte said", "POST /platform/tokens HTTP/1.1\r\n" + auth + "Content-Length: 1099511627776\r\n\r\n[]", "413"},
		{"9 MiB in chunks", "POST /platform/tokens HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("100000\r\n"+strings.Repeat(" ", 1<<20)+"\r\n", 9) + "0\r\n\r\n", "413"},
		{"less than said", "POST /platform/tokens HTTP/1.1\r\n" + auth + "Content-Length: 2\r\n\r\n[{\"ttl\":1}]", "400"},
	} {
		statuses, _ := exchange(t, b, "", c.text)
		if got := fmt.Sprint(statuses); !strings.HasPrefix(got, "["+c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if n := len(rest(t, b, "GET", "/platform/tokens", "")); n != 1 {
		t.Errorf("%d tokens", n)
	}
}

// HTTP/2: streams that are opened and reset at once, and headers that never end.
func TestRow47_HTTP2(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{Args: []string{"--https", "127.0.0.1:0"}})
	frame := func(typ, flags byte, stream uint32, payload string) string {
		n := len(payload)
		return string([]byte{byte(n >> 16), byte(n >> 8), byte(n), typ, flags,
			byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)}) + payload
	}
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	// :method GET, :scheme https, :path /openapi.json, :authority h
	request := "\x82\x87\x04\x0d/openapi.json\x41\x01h"
	open := func() net.Conn {
		c, err := tls.Dial("tcp", b.HTTPS, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().NegotiatedProtocol; got != "h2" {
			t.Fatalf("negotiated %q", got)
		}
		c.SetDeadline(time.Now().Add(30 * time.Second))
		io.WriteString(c, preface+frame(4, 0, 0, ""))
		return c
	}
	grows(t, b, 96<<20, func() {
		for range 10 {
			c := open()
			go func() { // rapid reset
				var text strings.Builder
				for i := range 20_000 {
					id := uint32(2*i + 1)
					text.WriteString(frame(1, 5, id, request) + frame(3, 0, id, "\x00\x00\x00\x08"))
				}
				io.WriteString(c, text.String())
			}()
			go io.Copy(io.Discard, c)
			defer c.Close()
			h := open()
			go func() { // CONTINUATION without end
				io.WriteString(h, frame(1, 1, 1, request))
				for range 2000 {
					if _, err := io.WriteString(h, frame(9, 0, 1, "\x40\x04aaaa"+"\x7f\x81\x7e"+strings.Repeat("b", 16000))); err != nil {
						return
					}
				}
				t.Error("32 MB of CONTINUATION frames are taken")
			}()
			if _, err := io.Copy(io.Discard, h); err != nil {
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					t.Error("a header without end is waited for")
				}
			}
			h.Close()
		}
		others(t, b)
	})
}
