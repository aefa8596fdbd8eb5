package kill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"alcove/internal/mqtt"
	"alcove/test/alcovetest"
)

const (
	people = 50 // senders, and as many takers
	kills  = 22
	// maxLife is the longest time between letting the clients in and the kill.
	maxLife = 800 * time.Millisecond
)

// versions are given to clients by turns.
var versions = []mqtt.Version{mqtt.V311, mqtt.V5, mqtt.V31}

// TestKill kills the broker at random moments under load and checks that no
// acknowledged message is missing, that QoS 2 comes exactly once and that the order is
// kept [EXT-SES-4] [MQTT-4.3.2-2] [MQTT-4.3.3-13] [MQTT-4.6.0-6] [MQTT311-4.1.0-1].
func TestKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("ALCOVE_KILL_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("ALCOVE_KILL_SEED: %v", err)
		}
	}
	t.Logf("seed %d (ALCOVE_KILL_SEED repeats it)", seed)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := newScene(t, ctx, seed)
	s.awaitSubscribers()
	s.startSenders()
	moments := rand.New(rand.NewPCG(seed, 1))
	var restart time.Duration // the longest
	for i := range kills {
		s.live(time.Duration(moments.Int64N(int64(maxLife))))
		s.door.shut()
		s.broker.Kill()
		began := time.Now()
		s.broker.Restart()
		restart = max(restart, time.Since(began))
		s.checkRetained(fmt.Sprintf("after kill %d", i+1))
		s.door.open(s.broker.MQTT)
	}
	t.Logf("the longest restart took %s", restart.Round(time.Millisecond))
	s.finish()
	s.checkRetained("at the end")
	s.door.shut()
	s.broker.Stop()
}

// scene is the broker and all its clients.
type scene struct {
	t       *testing.T
	ctx     context.Context
	quit    context.CancelFunc // after a failure
	broker  *alcovetest.Broker
	door    *door
	senders []*sender
	takers  []*taker
	ready   chan struct{}
	stop    atomic.Bool   // no new messages
	drain   chan struct{} // everybody comes back
	sending sync.WaitGroup
	taking  sync.WaitGroup
}

func newScene(t *testing.T, ctx context.Context, seed uint64) *scene {
	s := &scene{
		t: t, door: newDoor(), ready: make(chan struct{}, people), drain: make(chan struct{}),
		broker: alcovetest.Start(t, alcovetest.Config{}),
	}
	s.ctx, s.quit = context.WithCancel(ctx)
	t.Cleanup(func() {
		s.quit()
		s.broker.Kill() // which ends every connection that a failure left open
		s.sending.Wait()
		s.taking.Wait()
	})
	for i := range people {
		s.senders = append(s.senders, &sender{
			client: client{id: fmt.Sprintf("sender%d", i), version: versions[i%3], token: s.broker.Token},
			index:  i, qos: mqtt.QoS(1 + i%2), door: s.door, stop: &s.stop,
		})
		k := &taker{
			client: client{id: fmt.Sprintf("taker%d", i), version: versions[(i+1)%3], token: s.broker.Token},
			habit:  habit(i % 3), hears: []int{i, (i + 1) % people}, door: s.door, drain: s.drain,
			rand: rand.New(rand.NewPCG(seed, uint64(100+i))), ready: s.ready,
			taken: map[int]*hearing{}, exact: map[uint16]bool{},
		}
		if i%4 == 0 {
			k.receiveMaximum = 5
		}
		for _, index := range k.hears {
			k.taken[index] = &hearing{}
		}
		s.takers = append(s.takers, k)
		s.start(&s.taking, k.run)
	}
	s.door.open(s.broker.MQTT)
	return s
}

// start runs one client; its failure ends the scene.
func (s *scene) start(wg *sync.WaitGroup, run func(context.Context) error) {
	wg.Go(func() {
		if err := run(s.ctx); err != nil && s.ctx.Err() == nil {
			s.t.Errorf("%v", err)
			s.quit()
		}
	})
}

// awaitSubscribers waits until every session exists and is subscribed.
func (s *scene) awaitSubscribers() {
	for range people {
		select {
		case <-s.ready:
		case <-s.ctx.Done():
			s.t.Fatal("not every taker could subscribe")
		}
	}
}

func (s *scene) startSenders() {
	for _, sd := range s.senders {
		s.start(&s.sending, sd.run)
	}
}

// live lets the broker work for a while.
func (s *scene) live(d time.Duration) {
	select {
	case <-time.After(d):
	case <-s.ctx.Done():
		s.t.FailNow()
	}
}

// finish lets the senders end, then all takers receive what is left.
func (s *scene) finish() {
	s.stop.Store(true)
	s.await(&s.sending, "the senders")
	close(s.drain)
	s.await(&s.taking, "the takers")
	var live, retained uint64
	doubles, drops := 0, 0
	for _, sd := range s.senders {
		live += sd.seq
		retained += sd.retainedSeq
	}
	for _, k := range s.takers {
		drops += k.drops
		for index, heard := range k.taken {
			doubles += heard.doubles
			if heard.next != s.senders[index].seq {
				s.t.Errorf("%s has %d messages of sender %d, who made %d", k.id, heard.next, index, s.senders[index].seq)
			}
		}
	}
	s.t.Logf("%d kills; %d messages, each into two sessions, and %d retained; %d legal repetitions at QoS 1; %d connections dropped by subscribers",
		kills, live, retained, doubles, drops)
	if live < 50*people {
		s.t.Errorf("only %d messages: the test has not tested much", live)
	}
}

func (s *scene) await(wg *sync.WaitGroup, who string) {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		s.t.Fatalf("%s do not finish", who)
	}
	if s.ctx.Err() != nil {
		s.t.FailNow()
	}
}

// checkRetained compares the retained messages with those that were acknowledged.
// Nobody else is connected: the door is shut, or everybody has finished.
func (s *scene) checkRetained(when string) {
	s.t.Helper()
	acked := map[string]uint64{}
	missing := 0
	for i, sd := range s.senders {
		if n := sd.retainedAcked.Load(); n > 0 {
			acked[retainedTopic(i)] = n
			missing++
		}
	}
	c := client{id: "checker", version: mqtt.V5, token: s.broker.Token, clean: true}
	w, err := c.dial(s.broker.MQTT)
	if err != nil {
		s.t.Fatalf("%s: %v", when, err)
	}
	defer w.conn.Close()
	take := func(h mqtt.Header, body []byte) error {
		var p mqtt.Publish
		if h.Type != mqtt.TypePublish {
			return nil
		}
		if err := p.DecodeFromServer(mqtt.V5, h, body); err != nil {
			return err
		}
		if p.QoS == mqtt.QoS1 {
			w.ack(mqtt.TypePuback, p.PacketID)
		} else if p.QoS == mqtt.QoS2 {
			w.ack(mqtt.TypePubrec, p.PacketID)
		}
		_, seq, err := parse(p.Payload)
		if err != nil {
			return err
		}
		// A newer one, whose ack was lost with the broker, is right as well.
		if want := acked[string(p.Topic)]; want > 0 {
			missing--
			if seq < want {
				return fmt.Errorf("%s has %d, acknowledged was %d", p.Topic, seq, want)
			}
		}
		return nil
	}
	err = w.subscribe([]string{"kill/kept/+"}, take)
	for err == nil && missing > 0 {
		var h mqtt.Header
		var body []byte
		if h, body, err = w.read(); err == nil && h.Type == mqtt.TypePubrel {
			var a mqtt.Ack
			if err = a.Decode(mqtt.V5, h, body); err == nil {
				w.ack(mqtt.TypePubcomp, a.PacketID)
			}
		} else if err == nil {
			err = take(h, body)
		}
	}
	if err != nil {
		s.t.Fatalf("%s, with %d retained messages missing: %v", when, missing, err)
	}
	if err := w.bye(); err != nil {
		s.t.Fatalf("%s: %v", when, err)
	}
}
