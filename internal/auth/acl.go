package auth

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Entry is one entry of an access list as JSON [EXT-TOK-5].
type Entry struct {
	URI     string   `json:"uri"`
	Topic   string   `json:"topic"`
	Actions []string `json:"actions"`
	Methods []string `json:"methods"`
}

// placeholder is the level that stands for the connection's Client Identifier.
const placeholder = "{client_id}"

// compileACL reads an access list. Errors are FieldErrors under "access.acl".
func compileACL(raw json.RawMessage, reserved string) (*book, error) {
	entries, err := parseACL(raw)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		return denyAll, nil
	}
	b := &book{reserved: reserved}
	for i := range entries {
		field := "access.acl[" + strconv.Itoa(i) + "]"
		r, err := compileRule(entries[i].Topic)
		if err != nil {
			return nil, fieldError(field+".topic", err.Error())
		}
		if err := b.add(r, &entries[i], field); err != nil {
			return nil, err
		}
		b.personal = b.personal || r.personal
	}
	for _, set := range b.sets() {
		set.index()
	}
	return b, nil
}

// denyAll is the book of every access list without entries: most tokens have none.
var denyAll = &book{}

// parseACL reads the JSON form strictly: an unknown field is an error, since a
// misspelt right must not silently be another one.
func parseACL(raw json.RawMessage) ([]Entry, error) {
	if len(raw) > MaxACLBytes {
		return nil, fieldError("access.acl", "is longer than "+strconv.Itoa(MaxACLBytes)+" bytes")
	}
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, fieldError("access.acl", "must be an array of entries")
	}
	if len(items) > MaxRules {
		return nil, fieldError("access.acl", "has more than "+strconv.Itoa(MaxRules)+" entries")
	}
	entries := make([]Entry, len(items))
	for i, item := range items {
		field := "access.acl[" + strconv.Itoa(i) + "]"
		dec := json.NewDecoder(bytes.NewReader(item))
		dec.DisallowUnknownFields()
		if string(item) == "null" {
			return nil, fieldError(field, "must be an object")
		}
		if err := dec.Decode(&entries[i]); err != nil {
			return nil, fieldError(field, strings.TrimPrefix(err.Error(), "json: "))
		}
		if entries[i].URI != "mqtt" {
			return nil, fieldError(field+".uri", `must be "mqtt"`)
		}
	}
	return entries, nil
}

// compileRule reads the topic of an entry; see the package doc for the grammar.
func compileRule(text string) (*rule, error) {
	switch {
	case text == "":
		return nil, errTopic("is empty")
	case len(text) > MaxTopicBytes:
		return nil, errTopic("is longer than " + strconv.Itoa(MaxTopicBytes) + " bytes")
	case !utf8.ValidString(text):
		return nil, errTopic("is not valid UTF-8")
	case strings.Count(text, "/") >= MaxTopicLevels:
		return nil, errTopic("has more than " + strconv.Itoa(MaxTopicLevels) + " levels")
	case strings.HasPrefix(text, "$share/") || strings.HasPrefix(text, "$filter/"):
		return nil, errTopic("must be the topic inside $share or $filter")
	}
	for _, c := range text {
		if c < 0x20 || c >= 0x7F && c <= 0x9F || c == 0xFFFF {
			return nil, errTopic("has control characters")
		}
	}
	parts := strings.Split(text, "/")
	r := &rule{levels: make([]level, len(parts))}
	for i, part := range parts {
		l, err := compileLevel(part, i == len(parts)-1)
		if err != nil {
			return nil, err
		}
		r.levels[i] = l
		r.personal = r.personal || l.kind == levelClient
	}
	return r, nil
}

func compileLevel(part string, last bool) (level, error) {
	switch {
	case part == "+":
		return level{kind: levelPlus}, nil
	case part == "#":
		if !last {
			return level{}, errTopic("has # before its last level")
		}
		return level{kind: levelHash}, nil
	case part == placeholder:
		return level{kind: levelClient}, nil
	case strings.ContainsAny(part, "+#"):
		return level{}, errTopic("mixes a wildcard with other characters in one level")
	case strings.Contains(part, placeholder):
		return level{}, errTopic("mixes " + placeholder + " with other characters in one level")
	case strings.Contains(part, ","):
		words := strings.Split(part, ",")
		if slices.Contains(words, "") {
			return level{}, errTopic("has an empty word in a selector")
		}
		return selectorLevel(part, words), nil
	default:
		return level{kind: levelText, text: part}, nil
	}
}

// selectorLevel holds the words sorted and once each, the exact spelling among them
// [EXT-SEL-1].
func selectorLevel(part string, words []string) level {
	words = append(words, part)
	slices.Sort(words)
	return level{kind: levelWords, text: part, words: slices.Compact(words)}
}

// errTopic is the reason of a FieldError while its field is not known yet.
type errTopic string

func (e errTopic) Error() string { return string(e) }

// methods of the /mqtt REST paths, as bits of what an entry grants.
const (
	grantsPublish = 1 << iota
	grantsSubscribe
	grantsGet
	grantsPost
	grantsDelete
)

// add puts a rule into the sets of what its entry grants.
func (b *book) add(r *rule, e *Entry, field string) error {
	grants := 0
	for _, action := range e.Actions {
		switch action {
		case "publish":
			grants |= grantsPublish
		case "subscribe":
			grants |= grantsSubscribe
		default:
			return fieldError(field+".actions", "must be publish or subscribe")
		}
	}
	for _, method := range e.Methods {
		switch strings.ToUpper(method) {
		case "GET":
			grants |= grantsGet
		case "POST":
			grants |= grantsPost
		case "DELETE":
			grants |= grantsDelete
		default:
			return fieldError(field+".methods", "must be GET, POST or DELETE")
		}
	}
	put := func(s *ruleset, bits int) {
		if grants&bits == bits {
			s.rules = append(s.rules, r)
		}
	}
	put(&b.publish, grantsPublish)
	put(&b.receive, grantsSubscribe)
	put(&b.logs, grantsSubscribe|grantsGet) // [EXT-TOK-5]
	put(&b.get, grantsGet)
	put(&b.post, grantsPost)
	put(&b.delete, grantsDelete)
	return nil
}
