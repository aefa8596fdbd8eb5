package server

import (
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// subprotocols are those of MQTT over WebSocket [MQTT-6.0.0-4] [MQTT311-6.0.0-4]
// [EXT-WS-1].
var subprotocols = []string{"mqtt", "mqttv3.1", "mqttv3.1.1"}

// IsUpgrade tells whether r asks for WebSocket.
func IsUpgrade(r *http.Request) bool { return hasToken(r.Header["Upgrade"], "websocket") }

// hasToken tells whether a comma list has the token, whatever its case.
func hasToken(values []string, token string) bool {
	for _, v := range values {
		for word := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(word), token) {
				return true
			}
		}
	}
	return false
}

// upgrade answers a WebSocket handshake and moves the connection to a loop.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	protocol, status, why := s.offer(r)
	if status != 0 {
		s.noise.say(noiseWebSocket, why)
		if status == http.StatusUpgradeRequired {
			w.Header().Set("Sec-WebSocket-Version", "13")
		}
		refuseUpgrade(w, status, why)
		return
	}
	nc, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		refuseUpgrade(w, http.StatusBadRequest, "this connection cannot become a WebSocket")
		return
	}
	first, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	first = slices.Clone(first)
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + acceptKey(r.Header.Get("Sec-WebSocket-Key")) + "\r\n"
	if protocol != "" {
		answer += "Sec-WebSocket-Protocol: " + protocol + "\r\n" // [MQTT-6.0.0-4]
	}
	_ = nc.SetDeadline(time.Now().Add(s.cfg.Limits.HandshakeTimeout))
	if _, err = nc.Write([]byte(answer + "\r\n")); err == nil {
		err = s.takeWebSocket(nc, first)
	}
	if err != nil {
		s.noise.say(noiseWebSocket, err.Error())
		_ = nc.Close()
		s.leave()
	}
}

// refuseUpgrade answers as REST does [EXT-REST-1]. Neither reason comes from the client.
func refuseUpgrade(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%d,"reason":%q}]}`+"\n", status, why)
}

// offer looks at a handshake. status is 0 where it is acceptable.
func (s *Server) offer(r *http.Request) (protocol string, status int, why string) {
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	switch {
	case r.Method != http.MethodGet || r.ProtoMajor != 1 || r.ProtoMinor < 1:
		return "", http.StatusBadRequest, "WebSocket needs GET and HTTP/1.1"
	case !hasToken(r.Header["Connection"], "upgrade"):
		return "", http.StatusBadRequest, "WebSocket needs Connection: Upgrade"
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return "", http.StatusUpgradeRequired, "only version 13 of WebSocket is spoken"
	case err != nil || len(key) != 16:
		return "", http.StatusBadRequest, "Sec-WebSocket-Key is not valid"
	case !s.originAllowed(r.Header.Get("Origin")):
		return "", http.StatusForbidden, "this origin is not allowed"
	}
	asked := r.Header["Sec-Websocket-Protocol"]
	if len(asked) == 0 {
		return "", 0, ""
	}
	for _, v := range asked {
		for word := range strings.SplitSeq(v, ",") {
			if word = strings.TrimSpace(word); slices.Contains(subprotocols, word) {
				return word, 0, ""
			}
		}
	}
	return "", http.StatusBadRequest, "no subprotocol of MQTT was asked for"
}

func (s *Server) originAllowed(origin string) bool {
	return origin == "" || len(s.cfg.Origins) == 0 || slices.Contains(s.cfg.Origins, origin)
}

// acceptKey is the answer to a Sec-WebSocket-Key (RFC 6455, 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// takeWebSocket moves an upgraded connection to a loop. first is what the client
// sent behind its request. After an error nc is still the caller's.
func (s *Server) takeWebSocket(nc net.Conn, first []byte) error {
	switch nc := nc.(type) {
	case *tls.Conn:
		wire, ok := nc.NetConn().(*tlsWire)
		if !ok {
			return errNotOurs
		}
		s.takeTLS(nc, wire, transportWSS, &wsConn{}, first)
		return nil
	case *proxyConn:
		remote := nc.remote
		k, err := takeSocket(nc.Conn)
		if err != nil {
			return err
		}
		c := s.newConn(k, transportWS, remote)
		c.wrap = &wrap{ws: &wsConn{}}
		s.adopt(nil, c, first)
		return nil
	}
	return errNotOurs
}

var errNotOurs = errors.New("not a connection of this server")
