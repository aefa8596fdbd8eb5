package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"
	"pgregory.net/rapid"

	"alcove/cmd/alcove/internal/screen"
	"alcove/internal/client"
	"alcove/internal/mqtt"
)

func TestChoose(t *testing.T) {
	long := make([]string, 2500)
	for i := range long {
		long[i] = strconv.Itoa(i)
	}
	for _, c := range []struct {
		args, in, want string
		sure, named    bool
	}{
		{"all", "", "all", false, false},
		{"1 2,3", "", "1,2,3", true, true},
		{"a=b c=*", "", "a=b,c=*", false, false},
		{"{a>1}", "", "{a>1}", false, false},
		{"dev", "", "name=dev", false, true},
		{"dev*", "", "name=dev*", false, false},
		{`de\*v`, "", `name=de\*v`, false, true},
		{"1 dev x=y", "", "name=dev|x=y|1", false, false},
		{"-", "7\ndev*\n\na,b\\\n", `name=dev\*|name=a\,b\\|7`, false, true},
		{"-", strings.Join(long, "\r\n"), strings.Join(long[:1000], ",") + "|" + strings.Join(long[1000:2000], ",") + "|" + strings.Join(long[2000:], ","), true, true},
	} {
		got, err := choose(strings.Fields(c.args), "name", strings.NewReader(c.in))
		if err != nil || strings.Join(got.selectors, "|") != c.want || got.sure != c.sure || got.named != c.named {
			t.Errorf("%s: %+v, %v", c.args, got, err)
		}
	}
	for _, bad := range []string{"", "dev", "1,"} {
		if got, err := choose([]string{bad}, "", nil); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func TestParseValue(t *testing.T) {
	for _, c := range []struct {
		kind kind
		text string
		want any // nil: an error
	}{
		{words, "null", "null"}, {words, "5", "5"}, {whole, "-1", int64(-1)}, {whole, "1.5", nil},
		{amount, "64MiB", int64(64 << 20)}, {amount, "1GB", int64(1e9)}, {amount, "7", int64(7)}, {amount, "-1", int64(-1)},
		{amount, "-1MiB", nil}, {amount, "-2", nil}, {amount, "9999999TiB", nil}, {amount, "x", nil},
		{period, "90", int64(90)}, {period, "30d", int64(30 * 86400)}, {period, "1d12h", int64(36 * 3600)}, {period, "never", int64(never)},
		{period, "-1", int64(-1)}, {period, "-5s", nil}, {period, "99999d", nil},
		{truth, "Yes", true}, {truth, "off", false}, {truth, "2", nil},
		{raw, `{"a":1}`, json.RawMessage(`{"a":1}`)}, {raw, "{", nil}, {unknown, "x y", "x y"}, {unknown, "5", json.RawMessage("5")},
		{instant, "1700000000", int64(1700000000)}, {instant, "2030-01-01", int64(1893456000)}, {instant, "0", 0}, {instant, "soon", nil},
	} {
		got, err := parseValue(c.kind, c.text)
		if (err != nil) != (c.want == nil) || err == nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d %q: %v (%T), %v", c.kind, c.text, got, got, err)
		}
	}
	if v, err := parseValue(whole, "null"); v != nil || err != nil {
		t.Errorf("null: %v, %v", v, err)
	}
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[float64]string{0: "", 1: "1s", 90: "1m30s", 3600: "1h", 2592000: "30d", 90061: "1d1h1m1s", never: "never", -1: "-1"} {
		if got := span(seconds); got != want {
			t.Errorf("%v: %q, want %q", seconds, got, want)
		}
	}
	now := time.Unix(1700000000, 0)
	for text, want := range map[string]string{"1h": "1699996400.000000", "0": "0", "12.5": "12.5", "2023-11-14": "1699920000.000000", "1d": "1699913600.000000"} {
		if got, err := parsePast(text, now); err != nil || got.String() != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, bad := range []string{"1e3", "-5", "NaN", "0x1", "1_0", "x"} {
		if got, err := parsePast(bad, now); err == nil {
			t.Errorf("%s: %s", bad, got)
		}
	}
}

// TestHarmless: escaped JSON is the same value, and nothing in it acts on a terminal.
func TestHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.String().Draw(t, "value")
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(value); err != nil {
			t.Fatal(err)
		}
		got := harmless(bytes.TrimSpace(b.Bytes()))
		for _, r := range string(got) {
			if screen.Acts(r) {
				t.Fatalf("%q has %U", got, r)
			}
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != value {
			t.Fatalf("%q: %q, %v", got, back, err)
		}
	})
}

// TestEachRecord: pages that begin where the one before has ended give each record
// once, also where many have the same time.
func TestEachRecord(t *testing.T) {
	type record struct {
		Timestamp float64 `json:"timestamp"`
		N         int     `json:"n"`
	}
	var all []record
	for n := range 3500 {
		all = append(all, record{float64(1000 + n/7), n})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var data struct {
			From, To float64
			Count    int
			Reverse  bool
		}
		if err := json.Unmarshal([]byte(r.URL.Query().Get("data")), &data); err != nil || data.Count < 1 || data.Count > 1000 {
			t.Errorf("%s: %v", r.URL, err)
		}
		found := []record{}
		for i := range all {
			x := all[i]
			if data.Reverse {
				x = all[len(all)-1-i]
			}
			if x.Timestamp >= data.From && (data.To == 0 || x.Timestamp <= data.To) && len(found) < data.Count {
				found = append(found, x)
			}
		}
		json.NewEncoder(w).Encode(map[string]any{"result": found})
	}))
	defer server.Close()
	tl := &tool{}
	tl.URL, tl.Token = server.URL, "k"
	for _, reverse := range []bool{false, true} {
		for _, count := range []int{1, 999, 1000, 1001, 2500, 3500, 9000} {
			next := 0
			err := tl.eachRecord(t.Context(), "/", map[string]any{}, reverse, count, func(raw json.RawMessage) error {
				want := next
				if reverse {
					want = len(all) - 1 - next
				}
				var x record
				if json.Unmarshal(raw, &x); x.N != want {
					return fmt.Errorf("record %d, want %d", x.N, want)
				}
				next++
				return nil
			})
			if err != nil || next != min(count, len(all)) {
				t.Errorf("reverse %v count %d: %d records, %v", reverse, count, next, err)
			}
		}
	}
}

// TestCompletion: ids and names are offered, and nothing that a shell could act on.
func TestCompletion(t *testing.T) {
	b := newBroker(t, map[string]string{
		"GET /mqtt/sessions/all":            `{"result":[{"id":5,"client_id":"dev-1"},{"id":6,"client_id":"$(reboot)"},{"id":55,"client_id":"\u001b[31m;rm"}]}`,
		"GET /mqtt/sessions/client_id=d%2A": `{"result":[{"id":5,"client_id":"dev-1"},{"id":7,"client_id":"d;reboot"}]}`,
	})
	complete := func(begun string) string {
		root := &cobra.Command{Use: "alcove", SilenceErrors: true, SilenceUsage: true}
		root.AddCommand(Commands()...)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs([]string{"__complete", "session", "get", "--url", b.URL, "--token", "k", begun})
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Error(err)
		}
		text, _, _ := strings.Cut(out.String(), ":4\n") // no file names
		return text
	}
	for begun, want := range map[string]string{
		"":   "5\tdev-1\n6\t?reboot?\n55\t?31m?rm\n",
		"5":  "5\tdev-1\n55\t?31m?rm\n",
		"d":  "dev-1\t5\n",
		"{x": "",
	} {
		if got := complete(begun); got != want {
			t.Errorf("%q: %q, want %q", begun, got, want)
		}
	}
	offers, _ := completeFields(settingFields)(nil, nil, "st")
	if len(offers) != 1 || !strings.HasPrefix(offers[0], "stamps=\t") {
		t.Errorf("%q", offers)
	}
	if offers, _ = completeFields(accountFields())(nil, nil, "settings.durability="); len(offers) != 3 || offers[0] != "settings.durability=sync" {
		t.Errorf("%q", offers)
	}
}

// TestCompletionWaitsShortly: a broker that does not answer costs 300 ms.
func TestCompletionWaitsShortly(t *testing.T) {
	silent := httptest.NewUnstartedServer(nil) // takes connections into its backlog, and never answers
	defer silent.Close()
	tl := &tool{}
	tl.URL, tl.Token = "http://"+silent.Listener.Addr().String(), "k"
	r := &resource{named: "name", path: fixed("/x")}
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	if offers, _ := tl.completeItems(r)(cmd, nil, ""); offers != nil {
		t.Errorf("%q", offers)
	}
}

func TestLifeCycle(t *testing.T) {
	m := &client.Message{Topic: "flespi/log/mqtt/sessions/17/created"}
	m.Props.User = mqtt.AppendUser(m.Props.User, "timestamp", "1700000000.000001")
	var i item
	if err := json.Unmarshal([]byte(`{"new":{"client_id":"dev"}}`), &i); err != nil {
		t.Fatal(err)
	}
	want := `{"client_id":"dev","event_code":1,"item":{"new":{"client_id":"dev"}},"origin_id":17,"origin_type":"mqtt/sessions","timestamp":1700000000.000001}`
	if got := lifeCycle(m, json.RawMessage(`{"new":{"client_id":"dev"}}`), i); string(got) != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	f := following{tool: &tool{}, part: "mqtt", filter: "event_code == 530 & a/b + 1"}
	f.tool.Account = 7
	if got := f.topics(); got != "$filter/cid=7&payload=event_code%20==%20530%20%26%20a%2Fb%20%2B%201/flespi/log/mqtt/#" {
		t.Error(got)
	}
}

func TestMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for text, want := range map[string]time.Time{
			"2030-01-02": time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC), "2030-01-02T03:04:05Z": time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
			"1700000000": time.Unix(1700000000, 0), "36h": now.Add(36 * time.Hour), "2d": now.Add(48 * time.Hour),
		} {
			if got, err := parseMoment(text, now); err != nil || !got.Equal(want) {
				t.Errorf("%s: %v, %v", text, got, err)
			}
		}
	})
}
