package bench

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"alcove/internal/mqtt"
)

// TestFormsReadWhatTheyWrite, and JSON is what a standard reader takes for the same
// numbers.
func TestFormsReadWhatTheyWrite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom([]form{binaryForm, jsonForm}).Draw(t, "form")
		p := f.payload(rapid.IntRange(f.least(), 400).Draw(t, "size"))
		number := rapid.Uint32Range(0, 999_999).Draw(t, "number")
		seq := rapid.Uint64Range(0, 1e15-1).Draw(t, "sequence")
		due := rapid.Int64Range(0, 1e15-1).Draw(t, "due")
		f.write(p, number, seq, due)
		gotNumber, gotSeq, gotDue, ok := f.read(p)
		if !ok || gotNumber != number || gotSeq != seq || gotDue != due {
			t.Fatalf("%d, %d, %d, %v read", gotNumber, gotSeq, gotDue, ok)
		}
		if f == binaryForm {
			return
		}
		var object struct{ Pub, Seq, Due, Key, Din uint64 }
		if err := json.Unmarshal(p, &object); err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		if object.Pub != 1e6+uint64(number) || object.Seq != 1e15+seq || object.Due != 1e15+uint64(due) ||
			object.Key != 1000+seq/keyRun%filterKeys || object.Din != 3 {
			t.Fatalf("%+v for %d, %d, %d", object, number, seq, due)
		}
	})
}

func TestFormRefusesOthers(t *testing.T) {
	whole := jsonForm.payload(jsonPayload)
	for _, p := range []string{"", "{}", string(whole[:jsonForm.least()-1]), strings.Replace(string(whole), "1000000", "100000x", 1)} {
		if _, _, _, ok := jsonForm.read([]byte(p)); ok {
			t.Errorf("%q is taken for one of ours", p)
		}
	}
	if _, _, _, ok := binaryForm.read(make([]byte, stampSize-1)); ok {
		t.Error("a short payload is taken for one of ours")
	}
}

// FuzzForm checks that no payload of a broker makes reading panic.
func FuzzForm(f *testing.F) {
	f.Add(jsonForm.payload(jsonPayload))
	f.Add(binaryForm.payload(64))
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, form := range []form{binaryForm, jsonForm} {
			if _, _, _, ok := form.read(p); ok && len(p) < form.least() {
				t.Errorf("%d bytes are read", len(p))
			}
		}
	})
}

func TestOwnProperties(t *testing.T) {
	p := mqtt.Publish{Topic: []byte("t"), Payload: []byte("x")}
	for want, key := range []string{"", "timestamp", "token_id", "cid"} {
		if key != "" {
			p.Props.User = mqtt.AppendUser(p.Props.User, key, "1")
		}
		if got := ownProperties(mqtt.V5, p.Append(nil, mqtt.V5)); got != want {
			t.Errorf("%d of them counted, not %d", got, want)
		}
	}
	if got := ownProperties(mqtt.V311, p.Append(nil, mqtt.V311)); got != 0 {
		t.Errorf("%d by MQTT 3.1.1", got)
	}
	if got := ownProperties(mqtt.V5, []byte{0x30, 3, 0, 9, 0}); got != 0 {
		t.Errorf("%d in what is no PUBLISH", got)
	}
}
