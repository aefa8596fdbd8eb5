package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"
)

// broker is a REST interface made of fixed answers, which notes what it is asked.
type broker struct {
	*httptest.Server
	answers map[string]string // by method and path, as they are sent; a first word of digits is the status

	mu    sync.Mutex
	asked []string
}

func newBroker(t *testing.T, answers map[string]string) *broker {
	b := &broker{answers: answers}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	path := r.Method + " " + r.URL.EscapedPath()
	b.mu.Lock()
	b.asked = append(b.asked, strings.TrimSpace(path+" "+string(body)))
	b.mu.Unlock()
	answer, ok := b.answers[path]
	if !ok {
		answer = `404 {"errors":[{"code":404,"reason":"not found"}]}`
	}
	var status int
	if n, err := fmt.Sscanf(answer, "%3d ", &status); n == 1 && err == nil {
		w.WriteHeader(status)
		answer = answer[4:]
	}
	io.WriteString(w, answer)
}

func (b *broker) requests() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	return strings.Join(asked, "\n")
}

// result is how a command ended.
type result struct {
	out, err string
	code     Exit
}

// run executes a command line against the broker.
func (b *broker) run(t *testing.T, in string, args ...string) result {
	t.Helper()
	t.Setenv("ALCOVE_TOKEN", strings.Repeat("k", 64))
	t.Setenv("ALCOVE_URL", b.URL)
	root := &cobra.Command{Use: "alcove", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands()...)
	var out, errOut bytes.Buffer
	root.SetIn(strings.NewReader(in))
	root.SetOut(&out)
	root.SetErr(&errOut)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	r := result{out: out.String(), err: errOut.String()}
	if err != nil {
		r.err += err.Error()
		r.code = Failed
		if coded, ok := err.(*Error); ok {
			r.code = coded.Code
		} else {
			t.Errorf("%v: the error has no exit code: %v", args, err)
		}
	}
	return r
}

const operatorInfo = `{"result":[{"cid":1}]}`

// TestRequests: what command lines ask for, in order.
func TestRequests(t *testing.T) {
	const one = `{"result":[{"id":5,"name":"n","client_id":"n"}],"pagination":{"count":1}}`
	many := `{"result":[{"id":5}],"pagination":{"limit":1,"offset":0,"count":3}}`
	for _, c := range []struct {
		args, in, asked string
		answers         map[string]string
	}{
		{"account list", "", "GET /auth/info\nGET /platform/customers/all", map[string]string{"GET /auth/info": operatorInfo, "GET /platform/customers/all": one}},
		{"account list", "", "GET /auth/info\nGET /platform/subaccounts/all", map[string]string{"GET /auth/info": `{"result":[{"cid":7}]}`, "GET /platform/subaccounts/all": one}},
		{"account list --child name=a* blocked=0", "", "GET /platform/subaccounts/name=a%2A%2Cblocked=0", map[string]string{"GET /platform/subaccounts/name=a%2A%2Cblocked=0": one}},
		{"account get --cid 4 acme", "", "GET /platform/subaccounts/name=acme", map[string]string{"GET /platform/subaccounts/name=acme": one}},
		{"account create --child a b -f metadata.x=1", "", `POST /platform/subaccounts [{"metadata":{"x":"1"},"name":"a"},{"metadata":{"x":"1"},"name":"b"}]`, map[string]string{"POST /platform/subaccounts": one}},
		{"account create --child -", "a\nb c\n", `POST /platform/subaccounts [{"name":"a"},{"name":"b c"}]`, map[string]string{"POST /platform/subaccounts": one}},
		{"account update --child 5 -f blocked=1 -f settings.stamps=null", "", `PUT /platform/subaccounts/5 {"blocked":1,"settings":{"stamps":null}}`, map[string]string{"PUT /platform/subaccounts/5": one}},
		{"account settings log_bytes=1MiB stamps=off", "", `PUT /platform/customer {"settings":{"log_bytes":1048576,"stamps":false}}`, map[string]string{"PUT /platform/customer": `{"result":[{"settings":{}}]}`}},
		{"account delete --child 5 6 --yes", "", "DELETE /platform/subaccounts/5%2C6", map[string]string{"DELETE /platform/subaccounts/5%2C6": one}},
		{"token revoke 5 6", "", "DELETE /platform/tokens/5%2C6", map[string]string{"DELETE /platform/tokens/5%2C6": one}},
		{"token delete -", "5\n6\n", "DELETE /platform/tokens/5%2C6", map[string]string{"DELETE /platform/tokens/5%2C6": one}},
		{"token create --access master --ttl 30d", "", `POST /platform/tokens [{"access":{"type":1},"ttl":2592000}]`, map[string]string{"POST /platform/tokens": `{"result":[{"id":1,"cid":1,"key":"k"}]}`}},
		{"token create --publish a/# --expire 0", "", `POST /platform/tokens [{"access":{"acl":[{"uri":"mqtt","topic":"a/#","actions":["publish"]}],"type":2},"expire":0}]`, map[string]string{"POST /platform/tokens": `{"result":[{"id":1,"cid":1,"key":"k"}]}`}},
		{"token update 5 --subscribe b -f enabled=no", "", `PUT /platform/tokens/5 {"access":{"acl":[{"uri":"mqtt","topic":"b","actions":["subscribe"]}],"type":2},"enabled":false}`, map[string]string{"PUT /platform/tokens/5": one}},
		{"limit create small -f mqtt_session_storage=16MiB -f api_calls=-1 -f blocking_duration=1m", "", `POST /platform/limits [{"api_calls":-1,"blocking_duration":60,"mqtt_session_storage":16777216,"name":"small"}]`, map[string]string{"POST /platform/limits": one}},
		{"limit create --body -", `{"name":"x","api_calls":1} [{"name":"y"}]`, `POST /platform/limits [{"api_calls":1,"name":"x"},{"name":"y"}]`, map[string]string{"POST /platform/limits": one}},
		{"session create dev-1 --expires 30d", "", `POST /mqtt/sessions [{"client_id":"dev-1","expires":2592000}]`, map[string]string{"POST /mqtt/sessions": one}},
		{"session delete 5", "", "DELETE /mqtt/sessions/5", map[string]string{"DELETE /mqtt/sessions/5": one}},
		{"session delete n", "", "GET /mqtt/sessions/client_id=n\nDELETE /mqtt/sessions/client_id=n", map[string]string{"GET /mqtt/sessions/client_id=n": one, "DELETE /mqtt/sessions/client_id=n": one}},
		{"session delete -", "a*b,c\n", "GET /mqtt/sessions/client_id=a%5C%2Ab%5C%2Cc\nDELETE /mqtt/sessions/client_id=a%5C%2Ab%5C%2Cc",
			map[string]string{"GET /mqtt/sessions/client_id=a%5C%2Ab%5C%2Cc": one, "DELETE /mqtt/sessions/client_id=a%5C%2Ab%5C%2Cc": one}},
		{"session disconnect 5", "", "POST /mqtt/sessions/5/disconnect", map[string]string{"POST /mqtt/sessions/5/disconnect": one}},
		{"session disconnect all --yes", "", "POST /mqtt/sessions/all/disconnect", map[string]string{"POST /mqtt/sessions/all/disconnect": many}},
		{"session subscription list 5 --topic a/#", "", "GET /mqtt/sessions/5/subscriptions/topic=a%2F%23", map[string]string{"GET /mqtt/sessions/5/subscriptions/topic=a%2F%23": one}},
		{"session subscription add 5 a/# $share/g/b -q 1", "", `POST /mqtt/sessions/5/subscriptions [{"qos":1,"topic":"a/#"},{"qos":1,"topic":"$share/g/b"}]`, map[string]string{"POST /mqtt/sessions/5/subscriptions": one}},
		{"session sub remove 5 a,b/+ c", "", "DELETE /mqtt/sessions/5/subscriptions/topic=a%2Cb%2F+\nDELETE /mqtt/sessions/5/subscriptions/topic=c",
			map[string]string{"DELETE /mqtt/sessions/5/subscriptions/topic=a%2Cb%2F+": one, "DELETE /mqtt/sessions/5/subscriptions/topic=c": one}},
		{"session sub remove 5 --all", "", "DELETE /mqtt/sessions/5/subscriptions/all", map[string]string{"DELETE /mqtt/sessions/5/subscriptions/all": one}},
		{"retained list a/+ $filter/cid=2/b", "", "GET /mqtt/messages/a%2F+\nGET /mqtt/messages/$filter%2Fcid=2%2Fb", map[string]string{"GET /mqtt/messages/a%2F+": one, "GET /mqtt/messages/$filter%2Fcid=2%2Fb": one}},
		{"retained delete a/# --yes", "", "DELETE /mqtt/messages/a%2F%23", map[string]string{"DELETE /mqtt/messages/a%2F%23": `{"result":[{"deleted_count":3}]}`}},
		{"retained delete a --dry-run", "", "GET /mqtt/messages/a", map[string]string{"GET /mqtt/messages/a": many}},
		{"log show", "", "GET /mqtt/logs", map[string]string{"GET /mqtt/logs": `{"result":[]}`}},
		{"log show token 5", "", "GET /platform/tokens/5/logs", map[string]string{"GET /platform/tokens/5/logs": `{"result":[]}`}},
		{"log calculate --from 0 --period 1h --filter x", "", `POST /mqtt/logs/calculate {"filter":"x","from":0,"period":3600}`, map[string]string{"POST /mqtt/logs/calculate": `{"result":[]}`}},
	} {
		t.Run(c.args, func(t *testing.T) {
			b := newBroker(t, c.answers)
			r := b.run(t, c.in, strings.Fields(c.args)...)
			if got := b.requests(); got != c.asked || r.code != Done {
				t.Errorf("exit %d %s\nasked\n%s\nwant\n%s", r.code, r.err, got, c.asked)
			}
		})
	}
}

// TestWrongCommandLines: they end with code 2, and nobody is asked.
func TestWrongCommandLines(t *testing.T) {
	b := newBroker(t, nil)
	for _, args := range []string{
		"account list --limit -1", "account list --what", "account get", "account create", "account create a --body {}",
		"account create --body x", "account create --body [1]", "account update 5", "account update 5 -f x", "account update 5 -f blocked=yes",
		"account update 5 -f settings.log_bytes=1ZB", "account settings stamps=perhaps", "account delete",
		"token create x", "token create --access king", "token create --publish a --acl []", "token create --acl {", "token create --expire yesterday",
		"token create --access master --publish a", "token create --ttl -1h", "token create --ttl -1", "token list x --fields",
		"session create", "session create a --expires soon", "session subscription add 5", "session subscription remove 5", "session subscription remove 5 a --all",
		"retained get a/#", "retained get a/+/b", "retained get", "retained list --since x", "retained delete",
		"log show all", "log show token x", "log show --from x", "log show -n 0", "log follow x", "log follow --last -1", "log calculate --period x",
		"account list --url nonsense",
	} {
		if r := b.run(t, "", strings.Fields(args)...); r.code != Usage {
			t.Errorf("%s: exit %d, %s", args, r.code, r.err)
		}
	}
	if got := b.requests(); got != "" {
		t.Errorf("asked %s", got)
	}
}

// TestExitCodes: how the broker's answers end a command.
func TestExitCodes(t *testing.T) {
	for answer, want := range map[string]Exit{
		`{"result":[{"id":5}]}`:                                                Done,
		`401 {"errors":[{"code":401,"reason":"no such token"}]}`:               Forbidden,
		`403 {"errors":[{"code":403,"reason":"no"}]}`:                          Forbidden,
		`404 {"errors":[{"code":404,"reason":"not found","id":5}]}`:            NotFound,
		`400 {"errors":[{"code":400,"reason":"limit"}]}`:                       Refused,
		`413 {"errors":[{"code":413,"reason":"large"}]}`:                       Refused,
		`503 {"errors":[{"code":503,"reason":"later"}]}`:                       Limited,
		`429 {"errors":[{"code":429,"reason":"limit api_calls"}]}`:             Limited,
		`500 {"errors":[{"code":500,"reason":"oops"}]}`:                        Failed,
		`{"result":[{"id":5}],"errors":[{"code":404,"reason":"none","id":6}]}`: Partly,
		`<html>`:      Failed,
		`{"result":[`: Failed,
	} {
		b := newBroker(t, map[string]string{"GET /platform/tokens/5": answer})
		if r := b.run(t, "", "token", "get", "5"); r.code != want || (r.err == "") != (want == Done) {
			t.Errorf("%s: exit %d, want %d; %s", answer, r.code, want, r.err)
		}
	}
	gone := newBroker(t, nil)
	gone.Close()
	if r := gone.run(t, "", "token", "list"); r.code != Failed {
		t.Errorf("no broker: exit %d", r.code)
	}
	empty := newBroker(t, map[string]string{"GET /platform/tokens/info=x": `{"result":[]}`, "GET /platform/tokens/all": `{"result":[]}`})
	if r := empty.run(t, "", "token", "get", "x"); r.code != NotFound {
		t.Errorf("get of nothing: exit %d", r.code)
	}
	if r := empty.run(t, "", "token", "list", "--json"); r.code != Done || r.out != "[]\n" {
		t.Errorf("list of nothing: exit %d, %s", r.code, r.out)
	}
}

// TestNothingIsDeletedUnconfirmed: what picks many is counted and not done where
// nobody can say yes.
func TestNothingIsDeletedUnconfirmed(t *testing.T) {
	many := `{"result":[{"id":5}],"pagination":{"limit":1,"offset":0,"count":3}}`
	for args, question := range map[string]string{
		"token revoke all":                        "Revoke 3 tokens?",
		"token revoke info=x":                     "Revoke 3 tokens?",
		"token revoke name":                       "Revoke 3 tokens?",
		"session delete client_id=*":              "Delete 3 sessions?",
		"session delete {size>1}":                 "Delete 3 sessions?",
		"session disconnect all":                  "Disconnect 3 sessions?",
		"session sub remove all --all":            "Unsubscribe 3 sessions?",
		"session sub add w* a":                    "Subscribe 3 sessions?",
		"account delete --child 5":                "Delete 3 accounts, all data and subaccounts included?",
		"account update --child all -f blocked=1": "Change 3 accounts?",
		"retained delete a":                       "Delete 3 retained messages?",
		"limit delete name=*":                     "Delete 3 limits?",
	} {
		b := newBroker(t, nil)
		b.answers = map[string]string{}
		for _, path := range []string{"/platform/tokens/all", "/platform/tokens/info=x", "/platform/tokens/info=name", "/mqtt/sessions/client_id=%2A",
			"/mqtt/sessions/%7Bsize%3E1%7D", "/mqtt/sessions/all", "/mqtt/sessions/client_id=w%2A", "/platform/subaccounts/5", "/platform/subaccounts/all",
			"/mqtt/messages/a", "/platform/limits/name=%2A"} {
			b.answers["GET "+path] = many
		}
		r := b.run(t, "y\n", strings.Fields(args)...) // a pipe is nobody
		if r.code != Unconfirmed || !strings.Contains(r.err, question) {
			t.Errorf("%s: exit %d, %s", args, r.code, r.err)
		}
		if asked := b.requests(); strings.Contains(asked, "DELETE") || strings.Contains(asked, "POST") || strings.Contains(asked, "PUT") {
			t.Errorf("%s asked %s", args, asked)
		}
	}
}

// TestOutput: tables, cards, JSON and lines of one answer, with texts that would act
// on a terminal [row 50].
func TestOutput(t *testing.T) {
	answer := `{"result":[{"id":5,"cid":1,"info":"door","enabled":true,"created":1700000000,"accessed":0,"expire":0,"ttl":90060,"ips":"","metadata":{"a":"1"},"access":{"type":1}},` +
		`{"id":6,"info":"\u001b]0;x\u0007` + "\u009b31m\u202e" + `\nnext","access":{"type":9}}]}`
	b := newBroker(t, map[string]string{"GET /platform/tokens/all": answer, "GET /platform/tokens/5%2C6": answer})
	for args, want := range map[string]string{
		"token list": "ID  ACCESS  ENABLED  CREATED               LAST USE  EXPIRES  TTL     ADDRESSES  INFO\n" +
			"5   master  true     2023-11-14 22:13:20Z  -         -        1d1h1m  -          door\n" +
			"6   ?       -        -                     -         -        -       -          \\x1b]0;x\\x07\\u009b31m\\u202e\\nnext\n",
		"token list --no-header --fields info,id": "door" + strings.Repeat(" ", 31) + "5\n\\x1b]0;x\\x07\\u009b31m\\u202e\\nnext  6\n",
		"token list --json-lines": `{"id":5,"cid":1,"info":"door","enabled":true,"created":1700000000,"accessed":0,"expire":0,"ttl":90060,"ips":"","metadata":{"a":"1"},"access":{"type":1}}` + "\n" +
			`{"id":6,"info":"\u001b]0;x\u0007\u009b31m\u202e\nnext","access":{"type":9}}` + "\n",
	} {
		if r := b.run(t, "", strings.Fields(args)...); r.out != want {
			t.Errorf("%s\n%q\nwant\n%q", args, r.out, want)
		}
	}
	var array []map[string]any
	r := b.run(t, "", "token", "list", "--json")
	if err := json.Unmarshal([]byte(r.out), &array); err != nil || len(array) != 2 || array[1]["info"] != "\x1b]0;x\x07\u009b31m\u202e\nnext" {
		t.Errorf("%v: %s", err, r.out)
	}
	r = b.run(t, "", "token", "get", "5,6")
	for _, part := range []string{"id           5\n", "ttl          1d1h1m\n", "metadata.a   1\n", "\n\nid           6\n", `\x1b]0;x\x07\u009b31m\u202e\nnext`} {
		if !strings.Contains(r.out, part) {
			t.Errorf("%q is not in\n%s", part, r.out)
		}
	}
}
