// Command mochi runs the mochi-mqtt broker as a peer for the comparison: one TCP (or,
// with a certificate, TLS, or WebSocket) listener, everybody allowed, nothing kept on disk.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:1883", "address of the MQTT listener")
	cert := flag.String("cert", "", "certificate file: the listener speaks TLS")
	key := flag.String("key", "", "key file of the certificate")
	ws := flag.Bool("ws", false, "the listener speaks WebSocket")
	flag.Parse()
	if err := serve(*listen, *cert, *key, *ws); err != nil {
		fmt.Fprintln(os.Stderr, "mochi:", err)
		os.Exit(1)
	}
}

// serve runs the broker until a signal.
func serve(listen, cert, key string, ws bool) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	capabilities := mqtt.NewDefaultServerCapabilities()
	// Why: with its defaults it drops messages for subscribers that fall behind by
	// 8,192, which a benchmark must not count as speed.
	capabilities.MaximumClientWritesPending = 1 << 20
	capabilities.MaximumInflight = 1<<16 - 1
	capabilities.ReceiveMaximum = 1<<16 - 1
	broker := mqtt.New(&mqtt.Options{
		Capabilities: capabilities,
		Logger:       slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err := broker.AddHook(new(auth.AllowHook), nil); err != nil {
		return err
	}
	config := listeners.Config{ID: "mqtt", Address: listen}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		config.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	var listener listeners.Listener = listeners.NewTCP(config)
	if ws {
		listener = listeners.NewWebsocket(config)
	}
	if err := broker.AddListener(listener); err != nil {
		return err
	}
	if err := broker.Serve(); err != nil {
		return err
	}
	<-signals
	return broker.Close()
}
