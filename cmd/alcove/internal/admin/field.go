package admin

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is how the value of a field is written on the command line.
type kind int

const (
	words   kind = iota // text, as it stands
	whole               // a whole number
	amount              // bytes: 64MiB
	period              // seconds: 90s, 12h, 30d
	instant             // UNIX seconds: a date, a time, a duration from now
	truth               // true, false, yes, no, on, off
	raw                 // JSON
)

// field is a field that create and update write.
type field struct {
	name string // with a dot where it is inside another: settings.stamps
	kind kind
	help string
}

// assign puts field=value into a body. Fields that are not known are JSON where the
// value is JSON, text otherwise: the broker knows them or says so.
func assign(body map[string]any, fields []field, assignment string) error {
	name, text, ok := strings.Cut(assignment, "=")
	if !ok || name == "" {
		return wrong("-f %s: must be field=value", assignment)
	}
	value, err := parseValue(kindOf(fields, name), text)
	if err != nil {
		return wrong("-f %s: %w", name, err)
	}
	outer, inner, nested := strings.Cut(name, ".")
	if !nested {
		body[name] = value
		return nil
	}
	object := map[string]any{}
	switch had := body[outer].(type) {
	case map[string]any:
		object = had
	case json.RawMessage:
		if json.Unmarshal(had, &object) != nil {
			return wrong("-f %s: %s is not an object in the body", name, outer)
		}
	case nil:
	default:
		return wrong("-f %s: %s is given as a whole too", name, outer)
	}
	object[inner] = value
	body[outer] = object
	return nil
}

// unknown is the kind of a field that is not in the list.
const unknown kind = -1

func kindOf(fields []field, name string) kind {
	if i := slices.IndexFunc(fields, func(f field) bool { return f.name == name }); i >= 0 {
		return fields[i].kind
	}
	if strings.HasPrefix(name, "metadata.") {
		return words
	}
	return unknown
}

// parseValue reads a value. null is no text and no number: it unsets.
func parseValue(k kind, text string) (any, error) {
	if text == "null" && k != words {
		return nil, nil
	}
	switch k {
	case words:
		return text, nil
	case whole:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, wrong("%q is not a whole number", text)
		}
		return n, nil
	case amount:
		return parseAmount(text)
	case period:
		return parsePeriod(text)
	case instant:
		if text == "0" {
			return 0, nil
		}
		at, err := parseMoment(text, time.Now())
		return at.Unix(), err
	case truth:
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			return true, nil
		case "false", "no", "off", "0":
			return false, nil
		}
		return nil, wrong("%q is not true or false", text)
	}
	if json.Valid([]byte(text)) {
		return json.RawMessage(text), nil
	}
	if k == raw {
		return nil, wrong("%q is not JSON", text)
	}
	return text, nil
}

var units = []struct {
	name string
	n    int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}

// parseAmount reads a number of bytes; -1 stands as it is.
func parseAmount(text string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err == nil && n >= -1 && n <= (1<<63-1)/u.n && (n >= 0 || u.n == 1) {
			return n * u.n, nil
		}
		break
	}
	return 0, wrong("%q is not a number of bytes, such as 64MiB", text)
}

// parsePeriod reads a time in seconds: a number, or one with units; never for the
// longest there is.
func parsePeriod(text string) (int64, error) {
	if text == "never" {
		return never, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	d, err := parseDuration(text)
	if err != nil || d < 0 {
		return 0, wrong("%q is not a time such as 90s, 12h or 30d", text)
	}
	return int64(d / time.Second), nil
}

// parseDuration is time.ParseDuration with days before the rest.
func parseDuration(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	d := time.Duration(n) * 24 * time.Hour
	if err != nil || rest == "" {
		return d, err
	}
	more, err := time.ParseDuration(rest)
	return d + more, err
}

// parseMoment reads a date, a time, UNIX seconds, or a duration from now.
func parseMoment(s string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		return time.Unix(n, 0), nil
	}
	if d, err := parseDuration(s); err == nil && d > 0 {
		return now.Add(d), nil
	}
	return time.Time{}, wrong("%q is not a date, a time, UNIX seconds or a duration", s)
}
