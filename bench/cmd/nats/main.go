// Command nats runs an embedded nats-server with MQTT as a peer for the comparison.
// Its MQTT needs a server name and JetStream, whose store is a temporary directory,
// removed at the end.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:1883", "address of the MQTT listener")
	cert := flag.String("cert", "", "certificate file: the listener speaks TLS")
	key := flag.String("key", "", "key file of the certificate")
	ws := flag.Bool("ws", false, "the listener speaks WebSocket, under the path /mqtt")
	flag.Parse()
	if err := serve(*listen, *cert, *key, *ws); err != nil {
		fmt.Fprintln(os.Stderr, "nats:", err)
		os.Exit(1)
	}
}

// serve runs the broker until a signal.
func serve(listen, cert, key string, ws bool) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-nats-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	options := &server.Options{
		ServerName: "bench",
		Host:       "127.0.0.1",
		Port:       server.RANDOM_PORT,
		JetStream:  true,
		StoreDir:   dir,
		NoLog:      true,
		NoSigs:     true,
		MaxConn:    1 << 20,
		MQTT: server.MQTTOpts{
			Host: host,
			Port: port,
			// Why: the window of QoS 1 and 2 must not be what stops the run. With the
			// largest one, 65,535, it refuses some subscriptions of QoS 2.
			MaxAckPending: 1 << 13,
			// Nor a slow answer of its own store on one busy core.
			JSAPITimeout: time.Minute,
		},
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		options.MQTT.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
		options.MQTT.TLSTimeout = 60
	}
	if ws {
		options.MQTT.Port = server.RANDOM_PORT // MQTT over WebSocket needs MQTT itself too
		options.Websocket = server.WebsocketOpts{Host: host, Port: port, NoTLS: true}
	}
	broker, err := server.NewServer(options)
	if err != nil {
		return err
	}
	go broker.Start()
	if !broker.ReadyForConnections(20 * time.Second) {
		broker.Shutdown()
		return errors.New("not ready within 20 s")
	}
	<-signals
	broker.Shutdown()
	broker.WaitForShutdown()
	return nil
}
