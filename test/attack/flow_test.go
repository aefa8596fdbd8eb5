package attack

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"alcove/test/alcovetest"
	"alcove/test/conform/wire"
)

// deaf stops the kernel from reading ahead much for a connection that never reads.
func deaf(c *conn) *conn {
	if tcp, ok := c.Conn.(interface{ SetReadBuffer(int) error }); ok {
		tcp.SetReadBuffer(4096)
	}
	return c
}

func TestRow18_oneBodyForManySlowReaders(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	const readers, size, messages = 300, 1 << 20, 10
	// Copied for each reader this would be 3 GiB.
	grows(t, b, 384<<20, func() {
		for range readers {
			c := deaf(connect(t, b))
			c.subscribe("wide", 0)
		}
		pub := connect(t, b)
		body := strings.Repeat("x", size)
		for range messages {
			pub.send(wire.Publish{Topic: "wide", Payload: body}.Bytes(v5))
			pub.ping()
		}
		others(t, b)
	})
}

func TestRow19_aReaderThatNeverReads(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	grows(t, b, 128<<20, func() {
		c := deaf(connect(t, b))
		c.subscribe("flood", 0)
		pub := connect(t, b)
		body := strings.Repeat("x", 64<<10)
		for range 4000 { // 250 MiB
			pub.send(wire.Publish{Topic: "flood", Payload: body}.Bytes(v5))
		}
		pub.ping()
		others(t, b)
	})
}

func TestRow20_nothingAcknowledged(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	const readers, messages = 100, 300
	// Each message is held once for all who have not acknowledged it.
	grows(t, b, 160<<20, func() {
		for range readers {
			c := connect(t, b, kept(name()), with(wire.Num(wire.ReceiveMaximum, 65535)))
			c.subscribe("heavy", 1)
			go io.Copy(io.Discard, c.r)
		}
		pub := connect(t, b)
		body := strings.Repeat("x", 10<<10)
		for i := range messages {
			if r := pub.publish("heavy", fmt.Sprint(i, body)); r >= 0x80 && r != 0x97 {
				t.Fatalf("%#02x", r)
			}
		}
	})
}

func TestRow02to24_repeatedErrorsLeaveNothing(t *testing.T) {
	t.Parallel()
	b := alcovetest.Start(t, alcovetest.Config{})
	kinds := [][]byte{
		{0x30, 0x80, 0x80, 0x80, 0x80, 1},
		wire.Frame(0x30, wire.Str("a"), []byte{0x7f, 1, 0}),
		wire.Publish{Topic: "a\xffb"}.Bytes(v5),
		wire.Subscribe(v5, 1, nil),
		wire.Publish{Topic: "a", Props: wire.Props{wire.Num(wire.TopicAlias, 999)}}.Bytes(v5),
		{0xf1, 0}, {0x36, 0}, {0x40, 1, 0},
	}
	attempt := func(i int) {
		c := connect(t, b)
		c.send(kinds[i%len(kinds)])
		c.closed(0x81, 0x82, 0x90, 0x94)
		c.Close()
	}
	for i := range 200 {
		attempt(i)
	}
	start := time.Now()
	grows(t, b, 24<<20, func() {
		for i := range 3000 {
			attempt(i)
		}
	})
	t.Logf("%v for each", time.Since(start)/3000)
	if lines := strings.Count(b.Output(), "\n"); lines > 2000 {
		t.Errorf("%d lines of log for 3,200 errors", lines)
	}
}
