package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"alcove/internal/api"
	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
	"alcove/internal/server"
	"alcove/internal/store"
)

// settings is the configuration of `alcove serve`: what the packages below take, and
// what is the program's own.
type settings struct {
	data     string
	log      logSettings
	memory   memorySettings
	shutdown time.Duration
	tls      tlsPair // one certificate without a list
	auth     auth.Config
	store    store.Config
	limits   broker.Limits
	features broker.Features
	server   server.Config
	rest     restSettings
}

// restSettings are those of the REST interface [EXT-REST-10].
type restSettings struct {
	origins []string
	region  api.Region
}

type logSettings struct {
	level  slog.Level
	format string
}

type memorySettings struct {
	limit int64 // bytes; 0: none
	gc    int   // percent; -1: off
}

type tlsPair struct{ cert, key string }

// key is one setting: its name in a file (in the environment ALCOVE_ and the name in
// capitals, with _ for a dot), its default as text, what it means, and how its value
// is taken.
type key struct {
	name     string
	fallback string
	about    string
	secret   bool
	take     func(*settings, any) error
}

// env returns the key's name in the environment.
func (k key) env() string {
	return "ALCOVE_" + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// keys are all settings, in the order in which they are shown.
var keys = append(append(append([]key{
	{name: "data", fallback: "./alcove-data", about: "directory of everything that is kept", take: text(func(s *settings) *string { return &s.data })},
	{name: "mqtt", fallback: server.DefaultMQTT, about: "MQTT over TCP: host:port, or off", take: listener(func(s *settings) *string { return &s.server.MQTT })},
	{name: "mqtts", fallback: server.DefaultMQTTS, about: "MQTT over TLS", take: listener(func(s *settings) *string { return &s.server.MQTTS })},
	{name: "http", fallback: server.DefaultHTTP, about: "REST and WebSocket", take: listener(func(s *settings) *string { return &s.server.HTTP })},
	{name: "https", fallback: server.DefaultHTTPS, about: "REST and WebSocket over TLS", take: listener(func(s *settings) *string { return &s.server.HTTPS })},
	{name: "unix", fallback: server.Off, about: "MQTT over a Unix socket: its path, or off", take: text(func(s *settings) *string { return &s.server.Unix })},
	{name: "operator_token", about: "key of the operator's token: 64 letters and digits", secret: true, take: takeOperatorToken},
	{name: "anonymous_token", fallback: "0", about: "id of the token whose rights clients without credentials get; 0: none do", take: whole(0, 1<<62, func(s *settings, n int64) { s.server.Anonymous = auth.TokenID(n) })},
	{name: "reserved_prefix", fallback: "flespi", about: "first level of the broker's own topics", take: takePrefix},
	{name: "proxy_trusted", about: "networks whose connections begin with a PROXY protocol header", take: takeNetworks},
	{name: "ws_origins", about: "origins that a WebSocket may come from; empty: any", take: texts(func(s *settings) *[]string { return &s.server.Origins })},
}, append(restKeys, limitKeys...)...), tlsKeys...), machineKeys...)

// restKeys are those of the REST interface.
var restKeys = []key{
	{name: "cors_origins", fallback: "*", about: "origins whose pages may read REST answers; *: any", take: takeCORSOrigins},
	{name: "region.name", fallback: "alcove", about: "name of this installation in /auth/regions", take: text(func(s *settings) *string { return &s.rest.region.Name })},
	{name: "region.host", about: "host in the addresses that /auth/regions tells; empty: the one by which it is asked", take: text(func(s *settings) *string { return &s.rest.region.Host })},
	{name: "region.rest", about: "URL of the REST interface there; empty: host and port of the listener", take: webURL(func(s *settings) *string { return &s.rest.region.REST })},
	{name: "region.cdn", about: "URL of static files there; empty: as region.rest", take: webURL(func(s *settings) *string { return &s.rest.region.CDN })},
	{name: "region.mqtt", about: "host:port of MQTT there; empty: host and port of the listener", take: address(func(s *settings) *string { return &s.rest.region.MQTT })},
	{name: "region.mqtt_ws", about: "host:port of MQTT over WebSocket there; empty: host and port of the listener", take: address(func(s *settings) *string { return &s.rest.region.WS })},
}

// limitKeys are what clients are held to and what they are offered [EXT-LIM-1].
var limitKeys = []key{
	{name: "maximum_packet_size", fallback: "16MiB", about: "of what clients send", take: size(128, mqtt.MaxPacketSize, func(s *settings, n int64) {
		s.limits.MaximumPacketSize = uint32(n)
	})},
	{name: "connect_packet_size", fallback: "128KiB", about: "the same until a client is authenticated", take: size(128, mqtt.MaxPacketSize, func(s *settings, n int64) { s.server.Limits.ConnectPacketSize = int(n) })},
	{name: "receive_maximum", fallback: "1000", about: "unacknowledged QoS 1 and 2 messages from a client", take: whole(1, 65535, func(s *settings, n int64) { s.limits.ReceiveMaximum = uint16(n) })},
	{name: "inflight_maximum", fallback: "1000", about: "unacknowledged QoS 1 and 2 messages to a client", take: whole(1, 65535, func(s *settings, n int64) { s.limits.InflightMaximum = int(n) })},
	{name: "topic_alias_maximum", fallback: "100", about: "topic aliases of a client", take: whole(0, 65535, func(s *settings, n int64) {
		s.limits.TopicAliasMaximum, s.features.NoTopicAliases = uint16(n), n == 0
	})},
	{name: "maximum_levels", fallback: "64", about: "of a topic or a filter", take: whole(1, 65535, func(s *settings, n int64) { s.limits.MaximumLevels = int(n) })},
	{name: "filters_per_packet", fallback: "1000", about: "in a SUBSCRIBE or UNSUBSCRIBE", take: whole(1, 65535, func(s *settings, n int64) { s.limits.FiltersPerPacket = int(n) })},
	{name: "subscriptions_per_session", fallback: "100000", about: "of one session", take: whole(1, 1<<30, func(s *settings, n int64) { s.limits.SubscriptionsEach = int(n) })},
	{name: "sessions_per_account", fallback: "1000000", about: "of one account", take: whole(1, 1<<30, func(s *settings, n int64) { s.limits.SessionsPerAccount = int(n) })},
	{name: "queue_bytes", fallback: "256MiB", about: "queued for one session or share group", take: size(1<<10, 1<<30, func(s *settings, n int64) { s.limits.QueueBytes = n })},
	{name: "retained_bytes", fallback: "16GiB", about: "retained by one account", take: size(1<<10, 1<<50, func(s *settings, n int64) { s.limits.RetainedBytes = n })},
	{name: "maximum_qos", fallback: "2", about: "of messages and subscriptions", take: whole(0, 2, func(s *settings, n int64) {
		if s.features.QoSLimit = nil; n < 2 {
			q := mqtt.QoS(n)
			s.features.QoSLimit = &q
		}
	})},
	{name: "retain_available", fallback: "true", about: "retained messages are offered", take: truth(func(s *settings, b bool) { s.features.NoRetain = !b })},
	{name: "wildcard_available", fallback: "true", about: "wildcard subscriptions are offered", take: truth(func(s *settings, b bool) { s.features.NoWildcards = !b })},
	{name: "shared_available", fallback: "true", about: "shared subscriptions are offered", take: truth(func(s *settings, b bool) { s.features.NoShared = !b })},
	{name: "subscription_identifiers_available", fallback: "true", about: "subscription identifiers are offered", take: truth(func(s *settings, b bool) { s.features.NoSubscriptionIDs = !b })},
	{name: "server_keep_alive", fallback: "0", about: "seconds that replace every client's keep alive; 0: as asked", take: whole(0, 65535, func(s *settings, n int64) { s.features.ServerKeepAlive = uint16(n) })},
	{name: "payload_format_check", fallback: "false", about: "payloads said to be UTF-8 are checked", take: truth(func(s *settings, b bool) { s.features.PayloadFormatCheck = b })},
	{name: "connect_timeout", fallback: "10s", about: "for a whole CONNECT, from the first moment on", take: span(100*time.Millisecond, time.Hour, func(s *settings, d time.Duration) { s.server.Limits.ConnectTimeout = d })},
	{name: "failed_logins", fallback: "10", about: "a second from one address, and for one token's id, before logins are refused unseen; 0: any number", take: whole(0, 1_000_000, func(s *settings, n int64) {
		if s.auth.FailedLogins = int(n); n == 0 {
			s.auth.FailedLogins = -1
		}
	})},
	{name: "connect_rate", fallback: "0", about: "connects a second, in all; 0: any number", take: whole(0, 1_000_000, func(s *settings, n int64) { s.server.Limits.ConnectRate = int(n) })},
	{name: "connect_rate_address", fallback: "0", about: "connects a second from one address; 0: any number", take: whole(0, 1_000_000, func(s *settings, n int64) { s.server.Limits.ConnectRateAddress = int(n) })},
	{name: "handshake_timeout", fallback: "10s", about: "for a TLS handshake", take: span(100*time.Millisecond, time.Hour, func(s *settings, d time.Duration) { s.server.Limits.HandshakeTimeout = d })},
	{name: "write_timeout", fallback: "30s", about: "that a client may take nothing of what waits for it", take: span(100*time.Millisecond, time.Hour, func(s *settings, d time.Duration) { s.server.Limits.WriteTimeout = d })},
	{name: "connections", fallback: "0", about: "at a time; 0: what the limit of open files allows", take: whole(0, 1<<30, func(s *settings, n int64) { s.server.Limits.Connections = int(n) })},
	{name: "output_bytes", fallback: "1MiB", about: "waiting for one client before QoS 0 presses back or is dropped", take: size(4<<10, 1<<30, func(s *settings, n int64) { s.server.Limits.OutputBytes = int(n) })},
}

// tlsKeys are those of the TLS listeners.
var tlsKeys = []key{
	{name: "tls.cert", about: "certificate chain, PEM; empty: a self-signed one is made", take: text(func(s *settings) *string { return &s.tls.cert })},
	{name: "tls.key", about: "its key, PEM", take: text(func(s *settings) *string { return &s.tls.key })},
	{name: "tls.certificates", about: "more of them, chosen by the name that a client asks for: a list of cert and key", take: takeCertificates},
	{name: "tls.client_ca", about: "authorities of client certificates, PEM; empty: none are asked for", take: text(func(s *settings) *string { return &s.server.TLS.ClientCA })},
	{name: "tls.min_version", fallback: "1.2", about: "1.2 or 1.3", take: takeMinVersion},
}

// machineKeys are those of the process.
var machineKeys = []key{
	{name: "loops", fallback: "0", about: "threads that serve connections; 0: one for each processor", take: whole(0, 4096, func(s *settings, n int64) { s.server.Loops = int(n) })},
	{name: "free_space", fallback: "512MiB", about: "below this much free disk, durable writes are refused; 0: never", take: size(0, 1<<50, func(s *settings, n int64) {
		if s.store.FreeSpaceWatermark = n; n == 0 {
			s.store.FreeSpaceWatermark = -1
		}
	})},
	{name: "store_cache", fallback: "64MiB", about: "of the database in memory", take: size(1<<20, 1<<40, func(s *settings, n int64) { s.store.CacheSize = n })},
	{name: "memory_limit", fallback: "0", about: "soft limit of the process's memory; 0: none", take: size(0, 1<<50, func(s *settings, n int64) { s.memory.limit = n })},
	{name: "gc_percent", fallback: "100", about: "growth of the heap between collections, in percent", take: whole(10, 10_000, func(s *settings, n int64) { s.memory.gc = int(n) })},
	{name: "shutdown_timeout", fallback: "20s", about: "for saying goodbye to clients", take: span(0, time.Hour, func(s *settings, d time.Duration) { s.shutdown = d })},
	{name: "log.level", fallback: "info", about: "debug, info, warn or error", take: takeLevel},
	{name: "log.format", fallback: "text", about: "text or json", take: oneOf([]string{"text", "json"}, func(s *settings) *string { return &s.log.format })},
}

// units of sizes; those of a thousand are longer than B alone, so they come first.
var units = []struct {
	name string
	n    int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"b", 1},
}

func takePrefix(s *settings, v any) error {
	t, err := scalar(v)
	if err != nil {
		return err
	}
	if t == "" || strings.ContainsAny(t, "/+#$,") || !mqtt.ValidTopicText([]byte(t)) {
		return fmt.Errorf("%q is not one level of a topic", t)
	}
	s.auth.ReservedPrefix, s.features.ReservedLevel = t, t
	return nil
}

func takeNetworks(s *settings, v any) error {
	items, err := list(v)
	if err != nil {
		return err
	}
	s.server.ProxyTrusted = nil
	for _, item := range items {
		p, err := netip.ParsePrefix(item)
		if err != nil {
			addr, addrErr := netip.ParseAddr(item)
			if addrErr != nil {
				return fmt.Errorf("%q is not a network such as 10.0.0.0/8", item)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		s.server.ProxyTrusted = append(s.server.ProxyTrusted, p.Masked())
	}
	return nil
}

// takeCertificates reads a list of {cert, key}, or cert:key separated by commas.
func takeCertificates(s *settings, v any) error {
	s.server.TLS.Certificates = nil
	add := func(cert, key string) error {
		if cert == "" || key == "" {
			return fmt.Errorf("each certificate needs cert and key")
		}
		s.server.TLS.Certificates = append(s.server.TLS.Certificates, server.CertificateFiles{Cert: cert, Key: key})
		return nil
	}
	items, ok := v.([]any)
	if !ok {
		pairs, err := list(v)
		if err != nil {
			return err
		}
		for _, pair := range pairs {
			cert, key, _ := strings.Cut(pair, ":")
			if err := add(cert, key); err != nil {
				return err
			}
		}
		return nil
	}
	for _, item := range items {
		m, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("must be a list of cert and key")
		}
		for name := range m {
			if name != "cert" && name != "key" {
				return fmt.Errorf("unknown key %q", name)
			}
		}
		cert, _ := m["cert"].(string)
		key, _ := m["key"].(string)
		if err := add(cert, key); err != nil {
			return err
		}
	}
	return nil
}

func takeMinVersion(s *settings, v any) error {
	t, err := scalar(v)
	if err != nil {
		return err
	}
	switch strings.TrimPrefix(strings.ToLower(t), "tlsv") {
	case "1.2":
		s.server.TLS.MinVersion = tls.VersionTLS12
	case "1.3":
		s.server.TLS.MinVersion = tls.VersionTLS13
	default:
		return fmt.Errorf("%q is not 1.2 or 1.3", t)
	}
	return nil
}

func takeLevel(s *settings, v any) error {
	t, err := scalar(v)
	if err != nil {
		return err
	}
	if err := s.log.level.UnmarshalText([]byte(t)); err != nil {
		return fmt.Errorf("%q is not debug, info, warn or error", t)
	}
	return nil
}
