package conform

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// Token is a token made by REST for one case.
type Token struct {
	ID, Key string
}

// REST calls the target's API with a token's key and returns the status and
// the items of the answer's result.
func (k *Kit) REST(key, verb, path, body string) (int, []map[string]any) {
	return k.RESTIn("", key, verb, path, body)
}

// RESTIn is REST inside a descendant of the token's account.
func (k *Kit) RESTIn(account, key, verb, path, body string) (int, []map[string]any) {
	req, err := http.NewRequest(verb, k.HTTP+path, strings.NewReader(body))
	if err != nil {
		k.Fatalf("%v", err)
	}
	req.Header.Set("Authorization", "FlespiToken "+key)
	req.Header.Set("Content-Type", "application/json")
	if account != "" {
		req.Header.Set("x-flespi-cid", account)
	}
	client := http.Client{Timeout: patience}
	resp, err := client.Do(req)
	if err != nil {
		k.Fatalf("%s %s: %v", verb, path, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	var answer struct{ Result []map[string]any }
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil && resp.StatusCode < 300 {
		k.Fatalf("%s %s: %v in %.200q", verb, path, err, text)
	}
	return resp.StatusCode, answer.Result
}

// Token makes a token of the target's account with the given fields of its
// JSON object, and deletes it after the case.
func (k *Kit) Token(fields string) Token {
	status, result := k.REST(k.User, "POST", "/platform/tokens", `[{"info":"conform","ttl":3600,`+fields+`}]`)
	if status != 200 || len(result) != 1 {
		k.Fatalf("POST /platform/tokens {%s}: status %d, %v", fields, status, result)
	}
	t := Token{Key: text(result[0]["key"]), ID: text(result[0]["id"])}
	if t.Key == "" || t.ID == "" {
		k.Fatalf("POST /platform/tokens answers %v", result[0])
	}
	k.Cleanup(func() { k.REST(k.User, "DELETE", "/platform/tokens/"+t.ID, "") })
	return t
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// As gives a CONNECT the credentials of a token.
func (t Token) As() option { return withUser(&t.Key, nil) }
