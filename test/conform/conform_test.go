package conform

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"alcove/test/alcovetest"
)

var (
	flagURL   = flag.String("url", "", "mqtt://host:port of a broker to test instead of the ones started here")
	flagToken = flag.String("token", "", "token for -url, sent as user name")
	flagPass  = flag.String("password", "", "password for -url")
	flagWS    = flag.String("ws", "", "ws://host:port/path of the same broker")
	flagHTTP  = flag.String("http", "", "http://host:port of the same broker's REST API, if it is an Alcove")
	flagName  = flag.String("name", "", "name of the broker; alcove demands Alcove's own contract too")
)

// TestMain lets many cases wait side by side; most of their time is waiting.
func TestMain(m *testing.M) {
	flag.Parse()
	if !slices.ContainsFunc(os.Args, func(a string) bool { return strings.Contains(a, "test.parallel") }) {
		flag.Set("test.parallel", "24")
	}
	os.Exit(m.Run())
}

func alcove(b *alcovetest.Broker) Target {
	return Target{Name: "alcove", URL: "mqtt://" + b.MQTT, WS: "ws://" + b.HTTP + "/mqtt", HTTP: "http://" + b.HTTP, User: b.Token,
		Auth: true, Strict: true, Dialect: true, SCRAM: true}
}

func TestURL(t *testing.T) {
	if *flagURL == "" {
		t.Skip("no -url given")
	}
	own := *flagName == "alcove"
	target := Target{Name: *flagName, URL: *flagURL, WS: *flagWS, HTTP: *flagHTTP, User: *flagToken, Password: *flagPass,
		Auth: *flagToken != "", Strict: own, Dialect: own, SCRAM: own}
	if target.Name == "" {
		target.Name = *flagURL
	}
	if *flagName == "mosquitto" {
		target.Known = knownOfMosquitto(t)
	}
	Run(t, target)
}

func TestAlcove(t *testing.T) {
	if *flagURL != "" {
		t.Skip("-url given")
	}
	t.Parallel()
	Run(t, alcove(alcovetest.Start(t, alcovetest.Config{})))
}
