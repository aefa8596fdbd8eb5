package api

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"alcove/internal/broker"
)

// openAPI is the document as it is served.
func openAPI(t *testing.T) map[string]any {
	t.Helper()
	r := newRealBench(t, broker.Limits{})
	var doc map[string]any
	if err := json.Unmarshal([]byte(r.do("", "GET", "/openapi.json", "").body), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestOpenAPIStructure holds the document to what OpenAPI 3.1 asks of one, and to what
// readers need [EXT-REST-7].
func TestOpenAPIStructure(t *testing.T) {
	doc := openAPI(t)
	if v := fmt.Sprint(doc["openapi"]); !strings.HasPrefix(v, "3.1.") {
		t.Errorf("version %s", v)
	}
	for _, path := range [][]string{{"info", "title"}, {"info", "version"}, {"info", "description"}} {
		if text, _ := at(doc, path...).(string); text == "" {
			t.Errorf("no %v", path)
		}
	}
	if servers, _ := doc["servers"].([]any); len(servers) != 1 || at(servers[0], "url") != "/" {
		t.Errorf("servers %v", doc["servers"])
	}
	tags := map[string]bool{}
	for _, tag := range doc["tags"].([]any) {
		tags[at(tag, "name").(string)] = true
		if text, _ := at(tag, "description").(string); text == "" {
			t.Errorf("tag %v without a description", tag)
		}
	}
	ids := map[string]bool{}
	for path, methods := range doc["paths"].(map[string]any) {
		for method, op := range methods.(map[string]any) {
			name := method + " " + path
			if !slices.Contains([]string{"get", "post", "put", "patch", "delete"}, method) {
				t.Errorf("%s: no method", name)
			}
			id, _ := at(op, "operationId").(string)
			if id == "" || ids[id] {
				t.Errorf("%s: operationId %q", name, id)
			}
			ids[id] = true
			if text, _ := at(op, "summary").(string); text == "" {
				t.Errorf("%s: no summary", name)
			}
			for _, tag := range at(op, "tags").([]any) {
				if !tags[tag.(string)] {
					t.Errorf("%s: tag %v is not declared", name, tag)
				}
			}
			checkParameters(t, name, path, op)
			checkResponses(t, doc, name, op)
		}
	}
	for id := range notes {
		if !ids[id] {
			t.Errorf("a note of no operation: %s", id)
		}
	}
	checkReferences(t, doc, doc, "#")
	if raw, _ := json.Marshal(doc); strings.Contains(string(raw), "[EXT-") {
		t.Error("references to clauses are left in the texts")
	}
}

var template = regexp.MustCompile(`\{(\w+)\}`)

// checkParameters: those of the path are exactly its templates, all have a schema.
func checkParameters(t *testing.T, name, path string, op any) {
	t.Helper()
	inPath := map[string]bool{}
	seen := map[string]bool{}
	parameters, _ := at(op, "parameters").([]any)
	for _, p := range parameters {
		n, in := at(p, "name").(string), at(p, "in").(string)
		if at(p, "schema", "type") == nil && at(p, "schema", "oneOf") == nil || seen[in+n] {
			t.Errorf("%s: parameter %s has no type, or stands twice", name, n)
		}
		seen[in+n] = true
		if text, _ := at(p, "description").(string); text == "" && in != "header" {
			t.Errorf("%s: parameter %s without a description", name, n)
		}
		if in == "path" {
			inPath[n] = true
			if at(p, "required") != true {
				t.Errorf("%s: %s must be required", name, n)
			}
		}
	}
	found := template.FindAllStringSubmatch(path, -1)
	for _, m := range found {
		if !inPath[m[1]] {
			t.Errorf("%s: {%s} is no parameter", name, m[1])
		}
	}
	if len(found) != len(inPath) {
		t.Errorf("%s: parameters %v", name, inPath)
	}
}

// checkResponses: a success with a schema, and the errors that the operation can have.
func checkResponses(t *testing.T, doc map[string]any, name string, op any) {
	t.Helper()
	responses := at(op, "responses").(map[string]any)
	if responses["200"] == nil {
		t.Errorf("%s: no 200", name)
	}
	for code, r := range responses {
		if ref, ok := at(r, "$ref").(string); ok {
			r = at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		}
		if text, _ := at(r, "description").(string); text == "" {
			t.Errorf("%s: %s without a description", name, code)
		}
		content, _ := at(r, "content").(map[string]any)
		for kind, m := range content {
			if at(m, "schema") == nil {
				t.Errorf("%s: %s: %s without a schema", name, code, kind)
			}
		}
	}
	want := []string{"400"}
	if requirements, secured := at(op, "security").([]any); secured {
		want = append(want, "401", "403", "404", "429", "503")
		for _, r := range requirements {
			for scheme := range r.(map[string]any) {
				if at(doc, "components", "securitySchemes", scheme) == nil {
					t.Errorf("%s: no scheme %s", name, scheme)
				}
			}
		}
	}
	if at(op, "requestBody") != nil {
		want = append(want, "408", "413")
		if at(op, "requestBody", "content", "application/json", "schema") == nil {
			t.Errorf("%s: a body without a schema", name)
		}
	}
	for _, code := range want {
		if responses[code] == nil {
			t.Errorf("%s: %s is not documented", name, code)
		}
	}
	for _, code := range []string{"422", "500", "default"} {
		if responses[code] != nil {
			t.Errorf("%s: %s is documented, and never given", name, code)
		}
	}
}

// checkReferences: every $ref leads to something.
func checkReferences(t *testing.T, doc map[string]any, v any, where string) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...) == nil {
			t.Errorf("%s: %s leads nowhere", where, ref)
		}
		for name, value := range v {
			checkReferences(t, doc, value, where+"/"+name)
		}
	case []any:
		for i := range v {
			checkReferences(t, doc, v[i], fmt.Sprint(where, "/", i))
		}
	}
}

// TestExamples: what the document gives as an example of a body is accepted.
func TestExamples(t *testing.T) {
	doc := openAPI(t)
	r := newRealBench(t, broker.Limits{})
	below := r.ok(r.operator, "POST", "/platform/subaccounts", `[{}]`).text(0, "id")
	r.ok(r.operator, "POST", "/platform/tokens", `[{"ttl":60}]`, "x-flespi-cid", below)
	tried := 0
	for path, methods := range doc["paths"].(map[string]any) {
		for method, op := range methods.(map[string]any) {
			example := at(op, "requestBody", "content", "application/json", "example")
			if example == nil || strings.Contains(path, "{") {
				continue
			}
			body, _ := json.Marshal(example)
			r.ok(r.operator, strings.ToUpper(method), path, string(body))
			tried++
		}
	}
	if tried < 6 {
		t.Errorf("%d examples", tried)
	}
	r.ok(r.operator, "PUT", "/platform/tokens/all", notes["update-tokens"].example, "x-flespi-cid", below)
	r.ok(r.operator, "PUT", "/platform/subaccounts/all", notes["update-subaccounts"].example)
}

// TestDocsPage: the page and its parts are our own, and it may run nothing else
// [EXT-REST-7].
func TestDocsPage(t *testing.T) {
	b := newBench(t)
	outside := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9]+\.[a-z]|@import|[^a-z]url\(`)
	inline := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\son[a-z]+=|style=|javascript:`)
	for path, kind := range map[string]string{"/docs": "text/html", "/docs/docs.css": "text/css", "/docs/docs.js": "text/javascript"} {
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		text, h := w.Body.String(), w.Header()
		if w.Code != 200 || !strings.HasPrefix(h.Get("Content-Type"), kind) || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, w.Code, h)
		}
		for _, part := range strings.Split(h.Get("Content-Security-Policy"), ";") {
			if strings.Contains(part, "unsafe") || strings.Contains(part, "*") || strings.Contains(part, "http") {
				t.Errorf("%s: policy %s", path, part)
			}
		}
		if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: no policy", path)
		}
		if found := outside.FindString(text); found != "" {
			t.Errorf("%s: from another host: %s", path, found)
		}
		if found := inline.FindString(text); found != "" && kind == "text/html" {
			t.Errorf("%s: inline: %s", path, found)
		}
		if strings.Contains(text, "innerHTML") || strings.Contains(text, "insertAdjacentHTML") || strings.Contains(text, "eval(") {
			t.Errorf("%s: texts become markup", path)
		}
	}
	for _, path := range []string{"/docs/", "/docs/index.html", "/docs/../docs.go", "/docs/docs.go"} {
		if a := b.do("", "GET", path, ""); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}
