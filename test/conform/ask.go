package conform

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// reply is an answer of REST, whole.
type reply struct {
	Status int
	Header http.Header
	Text   string
	Result []map[string]any
	Errors []struct {
		Code   int
		Reason string
		ID     json.Number
	}
	Pagination map[string]any
}

// Ask sends a request as REST does and returns all of the answer. Headers are given
// as names and values by turns; an empty key sends no Authorization.
func (k *Kit) Ask(key, verb, path, body string, headers ...string) reply {
	req, err := http.NewRequest(verb, k.HTTP+path, strings.NewReader(body))
	if err != nil {
		k.Fatalf("%v", err)
	}
	if key != "" {
		req.Header.Set("Authorization", "FlespiToken "+key)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		k.Fatalf("%s %s: %v", verb, path, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	r := reply{Status: resp.StatusCode, Header: resp.Header, Text: string(text)}
	d := json.NewDecoder(strings.NewReader(r.Text))
	d.UseNumber()
	d.Decode(&r)
	return r
}

// Made is the one item that a request makes or changes.
func (k *Kit) Made(key, verb, path, body string) map[string]any {
	r := k.Ask(key, verb, path, body)
	if r.Status != 200 || len(r.Result) != 1 {
		k.Fatalf("%s %s %s: status %d, %.300s", verb, path, body, r.Status, r.Text)
	}
	return r.Result[0]
}

// refused checks that a request fails with a status and a reason that has a text.
func (k *Kit) refused(r reply, status int, reason string) {
	if r.Status != status || len(r.Errors) == 0 || r.Errors[0].Code != status || !strings.Contains(r.Errors[0].Reason, reason) {
		k.Errorf("status %d, %.300s; want %d and a reason with %q", r.Status, r.Text, status, reason)
	}
}

// fields are the values of one field of all items.
func fields(items []map[string]any, name string) (out []string) {
	for _, item := range items {
		out = append(out, fmt.Sprint(item[name]))
	}
	return out
}
