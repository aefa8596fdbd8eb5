package client

import (
	"testing"
	"time"

	"alcove/internal/mqtt"
)

// FuzzServer checks that a client survives whatever a server sends after CONNACK: it
// ends with an error, or goes on.
func FuzzServer(f *testing.F) {
	publish := mqtt.Publish{Topic: []byte("t"), QoS: 2, PacketID: 1, Payload: []byte("x")}
	f.Add(publish.Append(nil, mqtt.V5), byte(5))
	f.Add([]byte{0x62, 2, 0, 1, 0xd0, 0, 0x90, 4, 0, 1, 0, 0}, byte(5))
	f.Add([]byte{0xe0, 0}, byte(4))
	f.Add([]byte{0xf0, 0, 0x30, 0xff, 0xff, 0xff, 0x7f}, byte(5))
	f.Fuzz(func(t *testing.T, b []byte, version byte) {
		v := mqtt.Version(3 + version%3)
		conn, p := pipe(t, v)
		go func() {
			for {
				if _, _, err := p.tryRead(); err != nil {
					return
				}
			}
		}()
		go func() {
			p.sendQuietly((&mqtt.Connack{}).Append(nil, v))
			p.sendQuietly(b)
			p.conn.Close()
		}()
		c, err := Connect(t.Context(), conn, Options{Version: v, ClientID: "c", CleanStart: true, MaximumPacket: 1 << 16})
		if err != nil {
			return
		}
		for range c.Messages() {
		}
		select {
		case <-c.Done():
		case <-time.After(10 * time.Second):
			t.Error("the client does not end")
		}
		c.Close()
	})
}

// sendQuietly writes what the client may have stopped reading.
func (p *peer) sendQuietly(b []byte) { p.conn.Write(b) }
