package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"alcove/internal/server"
)

// configure loads settings from a file's text, an environment and arguments.
func configure(t *testing.T, file string, environ, args []string) (*configuration, error) {
	t.Helper()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	addServeFlags(flags)
	if file != "" {
		path := filepath.Join(t.TempDir(), "alcove.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return load(flags, environ)
}

func TestPrecedence(t *testing.T) {
	const file = "mqtt: file:1\nmaximum_qos: 1\n"
	for _, test := range []struct {
		name, file   string
		environ      []string
		args         []string
		mqtt, source string
	}{
		{"default", "", nil, nil, ":1883", "default"},
		{"file", file, nil, nil, "file:1", "line 1"},
		{"environment", file, []string{"ALCOVE_MQTT=env:1"}, nil, "env:1", "environment ALCOVE_MQTT"},
		{"flag", file, []string{"ALCOVE_MQTT=env:1"}, []string{"--mqtt", "flag:1"}, "flag:1", "flag --mqtt"},
		{"flag like the default", file, nil, []string{"--mqtt", ":1883"}, ":1883", "flag --mqtt"},
		{"empty environment", "", []string{"ALCOVE_MQTT="}, nil, "", "environment ALCOVE_MQTT"},
	} {
		c, err := configure(t, test.file, test.environ, test.args)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if c.server.MQTT != test.mqtt || !strings.HasSuffix(c.origins["mqtt"].source, test.source) {
			t.Errorf("%s: %q from %q", test.name, c.server.MQTT, c.origins["mqtt"].source)
		}
	}
}

func TestConfigFileFromEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(path, []byte("http: off\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configure(t, "", []string{"ALCOVE_CONFIG=" + path, "ALCOVE_TOKEN=x", "ALCOVE_TEST_X=1", "OTHER=1",
		"ALCOVE_PORT=tcp://10.0.0.1:1883", "ALCOVE_PORT_1883_TCP_PROTO=tcp", "ALCOVE_SERVICE_HOST=10.0.0.1"}, nil)
	if err != nil || c.server.HTTP != server.Off {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestEveryKey sets each key to a value that differs from its default, by file and by
// environment, and asks whether anything has changed.
func TestEveryKey(t *testing.T) {
	values := map[string]string{
		"data": "/d", "mqtt": "h:1", "mqtts": "off", "http": "h:2", "https": "h:3", "unix": "/s",
		"operator_token": strings.Repeat("a", 64), "anonymous_token": "7", "reserved_prefix": "own",
		"proxy_trusted": "10.0.0.0/8, 127.0.0.1", "ws_origins": "https://a.example,https://b.example",
		"cors_origins": "https://a.example,http://b.example:8080", "region.name": "eu", "region.host": "h", "region.rest": "https://r/",
		"region.cdn": "https://c", "region.mqtt": "m:1", "region.mqtt_ws": "w:2",
		"maximum_packet_size": "1MiB", "connect_packet_size": "4KiB", "receive_maximum": "5", "inflight_maximum": "6",
		"topic_alias_maximum": "7", "maximum_levels": "8", "filters_per_packet": "9", "subscriptions_per_session": "10",
		"sessions_per_account": "11", "queue_bytes": "12MB", "retained_bytes": "13GB", "maximum_qos": "1",
		"retain_available": "false", "wildcard_available": "no", "shared_available": "off",
		"subscription_identifiers_available": "0", "server_keep_alive": "60", "payload_format_check": "true",
		"connect_timeout": "3s", "handshake_timeout": "4", "failed_logins": "0", "connect_rate": "500", "connect_rate_address": "7", "write_timeout": "1m", "connections": "99", "output_bytes": "2MiB",
		"tls.cert": "c", "tls.key": "k", "tls.certificates": "a:b,c:d", "tls.client_ca": "ca", "tls.min_version": "1.3",
		"loops": "3", "free_space": "0", "store_cache": "32MiB", "memory_limit": "1GiB", "gc_percent": "200",
		"shutdown_timeout": "5s", "log.level": "debug", "log.format": "json",
	}
	for _, k := range keys {
		value, ok := values[k.name]
		if !ok {
			t.Errorf("%s: no value to try", k.name)
			continue
		}
		var plain settings
		if err := k.take(&plain, k.fallback); err != nil {
			t.Errorf("%s: the default is refused: %v", k.name, err)
		}
		environ := []string{k.env() + "=" + value}
		if k.name == "tls.cert" || k.name == "tls.key" {
			environ = []string{"ALCOVE_TLS_CERT=c", "ALCOVE_TLS_KEY=k"}
		}
		c, err := configure(t, "", environ, nil)
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
			continue
		}
		if c.origins[k.name].source != "environment "+k.env() {
			t.Errorf("%s: from %s", k.name, c.origins[k.name].source)
		}
		var changed settings
		if err := k.take(&changed, value); err != nil {
			t.Errorf("%s: %v", k.name, err)
		}
	}
	c, err := configure(t, "", []string{"ALCOVE_MAXIMUM_PACKET_SIZE=1MiB", "ALCOVE_HANDSHAKE_TIMEOUT=4", "ALCOVE_FREE_SPACE=0"}, nil)
	if err != nil || c.limits.MaximumPacketSize != 1<<20 ||
		c.server.Limits.HandshakeTimeout != 4*time.Second || c.store.FreeSpaceWatermark != -1 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestDefaultsAreThePackages: the table's texts must say what the packages take for
// themselves.
func TestDefaultsAreThePackages(t *testing.T) {
	c, err := configure(t, "", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := c.limits
	if l.MaximumPacketSize != 16<<20 || l.ReceiveMaximum != 1000 || l.TopicAliasMaximum != 100 || l.MaximumLevels != 64 ||
		l.FiltersPerPacket != 1000 || c.server.Limits.ConnectPacketSize != 128<<10 { // [EXT-LIM-1]
		t.Errorf("limits are %+v", l)
	}
	if c.features.QoSLimit != nil || c.features.NoRetain || c.features.NoWildcards || c.features.NoShared || c.features.NoSubscriptionIDs {
		t.Errorf("not everything is offered: %+v", c.features)
	}
	if c.auth.OperatorToken != "" || c.server.Anonymous != 0 || c.data != "./alcove-data" {
		t.Errorf("%+v", c.settings)
	}
}

func TestNestedAndListsInFile(t *testing.T) {
	c, err := configure(t, `
tls:
  cert: main.crt
  key: main.key
  min_version: 1.3
  certificates:
    - {cert: a.crt, key: a.key}
    - cert: b.crt
      key: b.key
proxy_trusted: [10.0.0.0/8, "::1"]
ws_origins:
  - https://a.example
log: {level: warn}
`, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []server.CertificateFiles{{Cert: "main.crt", Key: "main.key"}, {Cert: "a.crt", Key: "a.key"}, {Cert: "b.crt", Key: "b.key"}}
	if !slices.Equal(c.server.TLS.Certificates, want) {
		t.Errorf("certificates are %v", c.server.TLS.Certificates)
	}
	if len(c.server.ProxyTrusted) != 2 || c.server.ProxyTrusted[1].String() != "::1/128" {
		t.Errorf("networks are %v", c.server.ProxyTrusted)
	}
	if !slices.Equal(c.server.Origins, []string{"https://a.example"}) || c.log.level.String() != "WARN" {
		t.Errorf("%+v", c.settings)
	}
}

func TestFaultsNameTheKey(t *testing.T) {
	for _, test := range []struct {
		file    string
		environ []string
		want    []string
	}{
		{"maximum_qoss: 1\n", nil, []string{"line 1", `"maximum_qoss"`, "did you mean maximum_qos?"}},
		{"a: 1\nb: 2\n", nil, []string{`"a"`, `"b"`, "line 2"}},
		{"tls:\n  certt: x\n", nil, []string{"line 2", `"tls.certt"`}},
		{"level: info\n", nil, []string{`"level"`, "log.level"}},
		{"mqtt: off\nmaximum_qos: 3\n", nil, []string{"line 2", "maximum_qos", `"3"`, "from 0 to 2"}},
		{"maximum_qos: [1]\n", nil, []string{"maximum_qos", "single value"}},
		{"retain_available: maybe\n", nil, []string{"retain_available", "true or false"}},
		{"maximum_packet_size: 1 GiB\n", nil, []string{"maximum_packet_size", "number of bytes"}},
		{"connect_timeout: -1s\n", nil, []string{"connect_timeout", "duration"}},
		{"proxy_trusted: 10.0.0.0/99\n", nil, []string{"proxy_trusted", "10.0.0.0/99"}},
		{"log: {format: xml}\n", nil, []string{"log.format", "text or json"}},
		{"tls: {min_version: 1.1}\n", nil, []string{"tls.min_version", "1.2 or 1.3"}},
		{"cors_origins: [https://a.example, '*']\n", nil, []string{"cors_origins", `"*"`, "alone"}},
		{"cors_origins: https://a.example/\n", nil, []string{"cors_origins", "https://a.example/", "origin"}},
		{"cors_origins: a.example\n", nil, []string{"cors_origins", "a.example", "origin"}},
		{"cors_origins: []\n", nil, []string{"cors_origins", "needs an origin"}},
		{"region: {rest: broker.example}\n", nil, []string{"region.rest", "URL"}},
		{"region: {mqtt: broker.example}\n", nil, []string{"region.mqtt", "host:port"}},
		{"region: {mqtt_ws: ':443'}\n", nil, []string{"region.mqtt_ws", "host:port"}},
		{"tls: {cert: x}\n", nil, []string{"tls.cert", "tls.key"}},
		{"tls: {certificates: [{cert: x}]}\n", nil, []string{"tls.certificates", "cert and key"}},
		{"reserved_prefix: a/b\n", nil, []string{"reserved_prefix"}},
		{"http: 127.0.0.1\n", nil, []string{"line 1", "http", "host:port or off"}},
		{"mqtt: 1:2:3\n", nil, []string{"mqtt", "host:port or off"}},
		{"mqtts: ':70000'\n", nil, []string{"mqtts", "host:port or off"}},
		{"https: ':'\n", nil, []string{"https", "host:port or off"}},
		{"", []string{"ALCOVE_OPERATOR_TOKEN=short"}, []string{"ALCOVE_OPERATOR_TOKEN", "64 letters"}},
		{"", []string{"ALCOVE_OPERATOR_TOKEN=" + strings.Repeat("é", 32)}, []string{"64 letters"}},
		{"mqtt: [\n", nil, []string{"configuration file"}},
		{"mqtt: a\nmqtt: b\n", nil, []string{"configuration file", "mqtt"}},
		{"", []string{"ALCOVE_MQT=x"}, []string{"environment", "ALCOVE_MQT", "did you mean mqtt?"}},
		{"", []string{"ALCOVE_MAXIMUM_QOS=x"}, []string{"environment ALCOVE_MAXIMUM_QOS", "maximum_qos"}},
	} {
		c, err := configure(t, test.file, test.environ, nil)
		if err == nil {
			t.Errorf("%q %v: accepted: %+v", test.file, test.environ, c)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q %v: %q is not in: %v", test.file, test.environ, part, err)
			}
		}
	}
	if _, err := configure(t, "", nil, []string{"--config", "/does/not/exist.yaml"}); err == nil {
		t.Error("a configuration file that is not there is passed over")
	}
	if _, err := configure(t, "", nil, []string{"--data", ""}); err == nil {
		t.Error("an empty data directory is accepted")
	}
}

func TestSecretsAreMasked(t *testing.T) {
	k := findKey("operator_token")
	if got := k.show(strings.Repeat("s", 64)); strings.Contains(got, "s") {
		t.Errorf("shown as %q", got)
	}
}
