package bench

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"

	"alcove/internal/mqtt"
)

// answering returns an asker whose broker answers each packet by what answer gives.
func answering(t *testing.T, answer func(h mqtt.Header) []byte) *asker {
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		in := &asker{conn: far, in: bufio.NewReader(far)}
		for {
			h, _, err := in.read()
			if err != nil {
				return
			}
			// The pipe has no buffer: an asker may be writing already.
			out := answer(h)
			if _, err := far.Write(out); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { near.Close(); <-done })
	return &asker{conn: near, in: bufio.NewReader(near)}
}

// retainedAnswer is a page of messages and its SUBACK, or the UNSUBACK.
func retainedAnswer(code mqtt.ReasonCode, topics ...string) func(mqtt.Header) []byte {
	return func(h mqtt.Header) (out []byte) {
		if h.Type == mqtt.TypeUnsubscribe {
			return (&mqtt.Unsuback{PacketID: leaveID, Codes: []mqtt.ReasonCode{0}}).Append(nil, mqtt.V5)
		}
		for i, topic := range topics {
			p := mqtt.Publish{Topic: []byte(topic), Retain: true, Payload: []byte("x")}
			p.Props.User = mqtt.AppendUser(p.Props.User, "timestamp", fmt.Sprintf("17.%06d", i+1))
			out = p.Append(out, mqtt.V5)
		}
		return (&mqtt.Suback{PacketID: askID, Codes: []mqtt.ReasonCode{code}}).Append(out, mqtt.V5)
	}
}

func TestAsk(t *testing.T) {
	a := answering(t, retainedAnswer(0, "a", "b/c"))
	for range 2 {
		var came []string
		took, err := a.ask("#", func(_ mqtt.Header, body []byte) {
			came = append(came, string(body[2:2+int(body[1])]))
		})
		if err != nil || took <= 0 || !slices.Equal(came, []string{"a", "b/c"}) {
			t.Errorf("%q after %v: %v", came, took, err)
		}
	}
	if stamp, err := answering(t, retainedAnswer(0, "a")).stampOf("a"); stamp != "17.000001" || err != nil {
		t.Errorf("timestamp %q: %v", stamp, err)
	}
	if stamp, err := answering(t, retainedAnswer(0)).stampOf("a"); err == nil {
		t.Errorf("timestamp %q of nothing", stamp)
	}
	if _, err := answering(t, retainedAnswer(mqtt.NotAuthorized)).ask("#", nil); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a refused question: %v", err)
	}
}

func TestDeleteAll(t *testing.T) {
	for _, c := range []struct {
		ack  mqtt.Ack
		want int
		err  string
	}{
		{mqtt.Ack{User: mqtt.AppendUser(mqtt.UserProperties(nil), "deleted_count", "12")}, 12, ""},
		{mqtt.Ack{}, 0, "no deleted_count"},
		{mqtt.Ack{Code: mqtt.NotAuthorized}, 0, "refused"},
	} {
		c.ack.Type, c.ack.PacketID = mqtt.TypePuback, sendID
		n, err := answering(t, func(mqtt.Header) []byte { return c.ack.Append(nil, mqtt.V5) }).deleteAll("a/#")
		if n != c.want || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%+v: %d, %v", c.ack, n, err)
		}
	}
}

// TestDatabaseSeesHarm: an answer with a message too many, one twice and one missing.
func TestDatabaseSeesHarm(t *testing.T) {
	for _, c := range []struct {
		came                 string
		lost, twice, strange uint64
	}{{"a b", 0, 0, 0}, {"a", 1, 0, 0}, {"a b b", 0, 1, 0}, {"a b c", 0, 0, 1}, {"", 2, 0, 0}} {
		r := &run{meter: &meter{}}
		d := &database{r: r, res: &Result{}, rng: rand.New(rand.NewPCG(1, 1))}
		a := answering(t, retainedAnswer(0, strings.Fields(c.came)...))
		want := map[string]bool{"a": true, "b": true}
		if _, err := d.ask(t.Context(), a, func() (string, map[string]bool) { return "#", want }); err != nil {
			t.Fatal(err)
		}
		if n := uint64(leastQuestions); d.res.Lost != c.lost*n || d.res.Duplicated != c.twice*n || d.res.Errors != c.strange*n {
			t.Errorf("%q: %+v", c.came, d.res.Counts)
		}
	}
}

// TestSelectorsOfDatabase: a question is about ten topics, which its words give.
func TestSelectorsOfDatabase(t *testing.T) {
	for _, shards := range []int{1, 2, 10} {
		d := &database{r: &run{name: "n"}, shards: shards, each: 100, rng: rand.New(rand.NewPCG(1, 2))}
		for range 100 {
			filter, want := d.selectors()
			words := strings.Split(filter, "/")
			made := make(map[string]bool)
			for _, shard := range strings.Split(words[2], ",") {
				for _, word := range strings.Split(words[3], ",") {
					made["bench/n/"+shard+"/"+word] = true
				}
			}
			if len(want) != answers || len(made) != answers {
				t.Fatalf("%s is about %d topics, %d are expected", filter, len(made), len(want))
			}
			for topic := range want {
				if !made[topic] {
					t.Fatalf("%s does not match %s", filter, topic)
				}
			}
		}
	}
}
