package server

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"alcove/internal/mqtt"
)

// BenchmarkPipeline sends QoS 0 messages from 10 publishers to 3 subscribers each,
// 32 to a write, with at most a window of them under way: socket to socket, the
// generator included. One operation is one message in and three out.
func BenchmarkPipeline(b *testing.B) {
	for _, tls := range []bool{false, true} {
		b.Run(map[bool]string{false: "tcp", true: "tls"}[tls], func(b *testing.B) { benchmarkPipeline(b, tls) })
	}
}

func benchmarkPipeline(b *testing.B, secure bool) {
	h := newHouse(b, Config{MQTT: loopback, MQTTS: loopback, Loops: 1})
	dial := h.dial
	if secure {
		dial = func() *peer { return h.dialTLS(h.srv.Addrs().MQTTS, anyServer) }
	}
	const pubs, subs, batch, window = 10, 3, 32, 8
	var groups []chan struct{}
	var done sync.WaitGroup
	for g := range pubs {
		topic := fmt.Sprint("bench/", g)
		pub := dial()
		pub.version = mqtt.V311
		pub.connect(fmt.Sprint("pub", g), h.keys[0])
		var packet []byte
		for range batch {
			packet = append(packet, publishPacket(mqtt.V311, topic, body(64, 'x'))...)
		}
		credit := make(chan struct{}, subs*window)
		for s := range subs {
			sub := dial()
			sub.version = mqtt.V311
			sub.connect(fmt.Sprint("sub", g, "-", s), h.keys[0])
			sub.subscribe(topic, mqtt.QoS0)
			for range window {
				credit <- struct{}{}
			}
			go count(sub.conn, len(packet), credit)
		}
		work := make(chan struct{})
		groups = append(groups, work)
		done.Go(func() {
			for range work {
				for range subs {
					<-credit
				}
				_, _ = pub.conn.Write(packet)
			}
			for range subs * window {
				<-credit
			}
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += batch {
		groups[i/batch%pubs] <- struct{}{}
	}
	for _, work := range groups {
		close(work)
	}
	done.Wait()
	b.StopTimer()
}

// count gives one credit for each run of bytes.
func count(c net.Conn, run int, credit chan struct{}) {
	buf := make([]byte, 64<<10)
	have := 0
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		for have += n; have >= run; have -= run {
			credit <- struct{}{}
		}
	}
}
