package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Ports are those of the running listeners; 0 where one is off.
type Ports struct{ MQTT, MQTTS, HTTP, HTTPS int }

// Region is what an operator may say of where the installation is reached; an empty
// field is found out from the request and the listeners. Behind a proxy or a port
// mapping, the addresses outside are others than those here.
type Region struct {
	Name string // "alcove" where empty
	Host string // name or address of all of them
	REST string // URL of the REST interface
	CDN  string // URL of static files
	MQTT string // host:port
	WS   string // host:port of MQTT over WebSocket
}

// region is this installation as /auth/regions shows it [EXT-REST-10].
type region struct {
	Default bool   `json:"default" doc:"Always true: there is one"`
	Name    string `json:"name"`
	REST    string `json:"rest" doc:"URL of this interface" example:"http://broker.example:8080"`
	CDN     string `json:"cdn" doc:"URL of static files"`
	MQTT    string `json:"mqtt" doc:"MQTT over TCP; over TLS where that is the only one" example:"broker.example:1883"`
	MQTTS   string `json:"mqtts,omitempty" doc:"MQTT over TLS" example:"broker.example:8883"`
	MQTTWS  string `json:"mqtt-ws" doc:"MQTT over WebSocket; over TLS where this request is" example:"broker.example:8080"`
}

// registerRegions adds /auth/regions, which needs no token.
func (s *server) registerRegions(cfg Config) {
	type ask struct{ addressed }
	add(s, operation{"auth-regions", http.MethodGet, "/auth/regions", "Addresses of this installation", ""},
		func(_ context.Context, in *ask) (*output[region], error) {
			var ports Ports
			if cfg.Ports != nil {
				ports = cfg.Ports()
			}
			return answer([]region{cfg.Region.at(in.host, in.secure, ports)}, nil)
		})
}

// addressed finds out by which host the caller has reached us, and whether by TLS.
type addressed struct {
	host   string
	secure bool
}

// Resolve reads the request's Host; where that is no host, the address of the
// connection.
func (a *addressed) Resolve(ctx huma.Context) []error {
	a.secure = ctx.TLS() != nil
	var ok bool
	if a.host, ok = hostOf(ctx.Host()); ok {
		return nil
	}
	a.host = "localhost"
	if local, _ := ctx.Context().Value(http.LocalAddrContextKey).(net.Addr); local != nil {
		if host, _, err := net.SplitHostPort(local.String()); err == nil {
			a.host = host
		}
	}
	return nil
}

// hostOf takes the host out of host or host:port: a name, or an address without
// brackets. Nothing else is repeated in an answer.
func hostOf(text string) (string, bool) {
	host := text
	if h, _, err := net.SplitHostPort(text); err == nil {
		host = h
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return host, true
	}
	return host, isHostName(host)
}

func isHostName(host string) bool {
	if host == "" || len(host) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range label {
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// at is the region as a caller reaches it.
func (r Region) at(host string, secure bool, ports Ports) region {
	if r.Host != "" {
		host = strings.Trim(r.Host, "[]")
	}
	scheme, web := "http", ports.HTTP
	if secure {
		scheme, web = "https", ports.HTTPS
	}
	address := func(port int) string {
		if port == 0 {
			return ""
		}
		return net.JoinHostPort(host, strconv.Itoa(port))
	}
	out := region{
		Default: true, Name: "alcove", MQTT: address(ports.MQTT), MQTTS: address(ports.MQTTS), MQTTWS: address(web),
		REST: (&url.URL{Scheme: scheme, Host: address(web)}).String(),
	}
	if out.MQTT == "" {
		out.MQTT = out.MQTTS
	}
	for _, x := range []struct {
		to   *string
		said string
	}{{&out.Name, r.Name}, {&out.REST, r.REST}, {&out.MQTT, r.MQTT}, {&out.MQTTWS, r.WS}} {
		if x.said != "" {
			*x.to = x.said
		}
	}
	if out.CDN = r.CDN; out.CDN == "" {
		out.CDN = out.REST
	}
	return out
}
