package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// errorTexts describe the errors that answers can have [EXT-REST-1], for the OpenAPI
// document: what each means here, and an example of its reason.
var errorTexts = []struct {
	code          int
	text, example string
	when          func(about operationShape) bool
}{
	{400, "A parameter, a selector or the body is wrong; the reason names the field and what it takes.", "ttl: expected integer",
		func(operationShape) bool { return true }},
	{401, "No key, or none that is known.", "no such token", func(o operationShape) bool { return o.secured }},
	{403, "The token may not do this: it is disabled, has lapsed, comes from another address or lacks the right; its account is blocked; or a limit is reached, which the reason names.",
		"the token has no access to /platform", func(o operationShape) bool { return o.secured }},
	{404, "There is no such item. An item of another account answers just so.", "not found", func(o operationShape) bool { return o.secured }},
	{408, "The body did not come in time.", "request timeout", func(o operationShape) bool { return o.body }},
	{413, "The body is larger than 8 MiB.", "body: is larger than 8388608 bytes", func(o operationShape) bool { return o.body }},
	{429, "A limit is reached, which the reason names; the header Retry-After says how many seconds to wait.", "limit api_calls is reached",
		func(o operationShape) bool { return o.secured }},
	{503, "The broker cannot store the change, or is busy; nothing of it has happened.", "the change could not be stored",
		func(o operationShape) bool { return o.secured }},
}

// operationShape is what decides which errors an operation has.
type operationShape struct{ secured, body bool }

// sections are the tags of the document in its order, each with the beginnings of the
// paths that belong to it; the first that fits counts.
var sections = []struct {
	name, text string
	paths      []string
}{
	{"messages", "Publishing, retained messages, and live streams.", []string{"/mqtt/messages", "/mqtt/stream"}},
	{"sessions", "MQTT sessions and their subscriptions, online or not.", []string{"/mqtt/sessions"}},
	{"logs", "What happened, and how much.", []string{"/mqtt/logs", "/platform/customer/", "/platform/tokens/{selector}/logs"}},
	{"tokens", "Keys to the account: what each may do, from where, how long.", []string{"/platform/tokens"}},
	{"accounts", "The account itself and the accounts below it; for the operator, the top-level ones.", []string{"/platform/customer", "/platform/subaccounts"}},
	{"limits", "Limit objects that an account gives to those below it.", []string{"/platform/limits"}},
	{"expressions", "The language of $filter and of {expression} selectors.", []string{"/storage/expressions"}},
	{"installation", "Who am I, where is everything, and what do codes mean.", []string{"/auth", "/const"}},
}

func sectionOf(path string) string {
	for _, s := range sections {
		for _, p := range s.paths {
			if strings.HasPrefix(path, p) {
				return s.name
			}
		}
	}
	return "other"
}

const documentText = "REST interface of the Alcove MQTT broker.\n\n" +
	"Every answer is `{\"result\":[…]}`, `{\"errors\":[{\"code\",\"reason\",\"id\"}]}`, or both where some of the selected items failed: then the status is 200. " +
	"Numbers are decimal, times are UNIX seconds, bodies are JSON of at most 8 MiB; unknown fields are refused.\n\n" +
	"A *selector* is `all`, ids (`1,2`), conditions (`name=shop*,enabled=true`; `*` is any run of characters, `?` one, a backslash takes the next character as it is) " +
	"or an expression over the item (`{ttl>3600 && metadata.room==5}`), percent-encoded as URLs need it.\n\n" +
	"Lists take `fields`, `limit` and `offset`, and answer with `pagination` where there is more than the page."

// clause is a reference of the house's own, which readers of the document need not.
var clause = regexp.MustCompile(` ?\[EXT-[A-Z]+-[0-9]+\]`)

// document makes the OpenAPI document from the declarations that serve requests, and
// adds what is the same for all of them [EXT-REST-7].
func (s *server) document() []byte {
	raw, err := json.Marshal(s.api.OpenAPI())
	var doc map[string]any
	if err == nil {
		err = json.Unmarshal(raw, &doc)
	}
	if err != nil {
		panic("api: OpenAPI document: " + err.Error()) // of our own types
	}
	doc["info"].(map[string]any)["description"] = documentText
	doc["servers"] = []any{map[string]any{"url": "/", "description": "This installation"}}
	components := doc["components"].(map[string]any)
	components["responses"] = errorResponses()
	if access, ok := at(components, "schemas", "Access", "properties").(map[string]any); ok {
		access["acl"] = map[string]any{"$ref": "#/components/schemas/ACL", "description": "As it was written"}
		components["schemas"].(map[string]any)["ACL"] = map[string]any{
			"type": "array", "items": map[string]any{"$ref": "#/components/schemas/AclEntry"},
		}
	}
	used := map[string]bool{}
	for path, methods := range doc["paths"].(map[string]any) {
		for _, op := range methods.(map[string]any) {
			section := sectionOf(path)
			used[section] = true
			finishOperation(op.(map[string]any), section)
		}
	}
	var tags []any
	for _, t := range sections {
		if used[t.name] {
			tags = append(tags, map[string]any{"name": t.name, "description": t.text})
		}
	}
	if used["other"] {
		tags = append(tags, map[string]any{"name": "other"})
	}
	doc["tags"] = tags
	out, err := json.Marshal(tidyTexts(doc))
	if err != nil {
		panic("api: OpenAPI document: " + err.Error())
	}
	return out
}

// at walks down objects; nil where one is not there.
func at(v any, names ...string) any {
	for _, name := range names {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// errorResponses are the errors, once for all operations.
func errorResponses() map[string]any {
	all := map[string]any{}
	for _, e := range errorTexts {
		response := map[string]any{
			"description": e.text,
			"content": map[string]any{"application/json": map[string]any{
				"schema":  map[string]any{"$ref": "#/components/schemas/Failure"},
				"example": map[string]any{"errors": []any{map[string]any{"code": e.code, "reason": e.example}}},
			}},
		}
		if e.code == http.StatusTooManyRequests {
			response["headers"] = map[string]any{"Retry-After": map[string]any{
				"description": "Seconds to wait", "schema": map[string]any{"type": "integer"},
			}}
		}
		all[strconv.Itoa(e.code)] = response
	}
	return all
}

// finishOperation gives an operation its tag, its errors, and what belongs to both.
func finishOperation(op map[string]any, section string) {
	op["tags"] = []any{section}
	responses, _ := op["responses"].(map[string]any)
	for code := range responses {
		if code >= "400" || code == "default" {
			delete(responses, code)
		}
	}
	_, secured := op["security"]
	_, body := op["requestBody"]
	for _, e := range errorTexts {
		if e.when(operationShape{secured, body}) {
			code := strconv.Itoa(e.code)
			responses[code] = map[string]any{"$ref": "#/components/responses/" + code}
		}
	}
	if note, ok := notes[op["operationId"].(string)]; ok {
		if note.text != "" {
			op["description"] = note.text
		}
		if media, ok := at(op, "requestBody", "content", "application/json").(map[string]any); ok && note.example != "" {
			media["example"] = json.RawMessage(note.example)
		}
	}
}

// tidyTexts takes the references to clauses out of every description.
func tidyTexts(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if text, ok := value.(string); ok && (name == "description" || name == "summary") {
				v[name] = clause.ReplaceAllString(text, "")
				continue
			}
			v[name] = tidyTexts(value)
		}
	case []any:
		for i := range v {
			v[i] = tidyTexts(v[i])
		}
	}
	return v
}

// note is what an operation's declaration does not say: how it is used, and a body.
type note struct{ text, example string }

// notes by operation.
var notes = map[string]note{
	"publish-messages": {"", `[{"topic":"doors/3","payload":"open","qos":1,"retain":true,"user_properties":{"source":"gate"}}]`},
	"get-messages":     {"Streams the retained messages of the account, and of the accounts below it unless `data` says `{\"recursive\":false}`. The filter takes selectors and $filter; write # and ? percent-encoded.", ""},
	"delete-messages":  {"Deletes what the token may publish to, in the acting account alone.", ""},
	"create-tokens": {"The answer shows each key this once: only hashes are stored. One of `expire` and `ttl` must be set. An item that is refused gets an entry in `errors` which begins with its place in the array.",
		`[{"info":"thermometers","ttl":31536000,"access":{"type":2,"acl":[{"uri":"mqtt","topic":"rooms/{client_id}/#","actions":["publish","subscribe"]}]}}]`},
	"list-tokens":        {"Keys are never shown again. `accessed` is the last use, `sessions` how many connections use it now; `fields=…,clients` tells who they are.", ""},
	"update-tokens":      {"What is not given stays as it is; zero values are values. Acts on live connections within a second.", `{"enabled":false}`},
	"delete-tokens":      {"Ends the connections which use them within a second. Sessions and retained messages stay.", ""},
	"create-subaccounts": {"Up to four levels of accounts. To act inside one, use the header x-flespi-cid.", `[{"name":"shop","metadata":{"city":"Turin"},"settings":{"durability":"async"}}]`},
	"update-subaccounts": {"What is not given stays as it is; a setting of null takes the parent's value again. `blocked` other than 0 ends all connections of the account and of those below it.", `{"blocked":1}`},
	"create-customers":   {"For the operator. Each answer holds the account and, this once, the key of its first master token.", `[{"name":"acme","limit_id":-1,"token":{"info":"first","ttl":31536000}}]`},
	"update-customers":   {"For the operator. What is not given stays as it is.", `{"settings":{"log_days":7}}`},
	"update-customer":    {"What is not given stays as it is; a setting of null takes the parent's value again. Acts within a second.", `{"name":"My company","settings":{"stamps":true,"overflow":null}}`},
	"get-customer":       {"With the settings in force, and `counters`: what the account has and, since the broker's start, has done.", ""},
	"test-expression":    {"A syntax error answers 400 with the column.", `{"expression":"position.speed > 80 && exists(ident)","input":{"position.speed":92,"ident":"a1"}}`},
	"auth-info":          {"Answers for a token that may not be used, too: `enabled` says whether it is. An unknown key is a 401.", ""},
	"auth-regions":       {"Needs no token. There is one region: this installation, by the host of the request.", ""},
	"const-values":       {"Needs no token.", ""},
}
