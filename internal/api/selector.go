package api

import (
	"net/http"
	"strconv"
	"strings"

	"alcove/internal/expr"
)

// selector picks items of a collection [EXT-REST-2]:
//
//	selector   = "all" / id *( "," id ) / condition *( "," condition ) / "{" expression "}"
//	condition  = field "=" mask           ; all conditions must hold
//	mask       = *( "*" / "?" / "\" any / any )
//	expression = as internal/expr has it, over the item as it is shown
//
// A field of a field is written with a dot: metadata.room, access.type. In a mask, *
// is any run of characters and ? is one; a backslash takes the next character as it
// is, so that a value may hold a comma, a star, a question mark or a backslash.
type selector struct {
	all        bool
	ids        []int64
	conditions []condition
	program    *expr.Program // of an expression, else nil
}

type condition struct {
	path []string
	mask mask
}

// parseSelector reads a selector; the empty text is "all". Its errors are of status
// 400; that of an expression has the column.
func parseSelector(text string) (selector, error) {
	switch {
	case text == "" || text == "all":
		return selector{all: true}, nil
	case text[0] == '{':
		return parseExpression(text)
	case strings.Contains(text, "="):
		return parseConditions(text)
	}
	return parseIDs(text)
}

func parseExpression(text string) (selector, error) {
	source, closed := strings.CutSuffix(text[1:], "}")
	if !closed {
		return selector{}, fail(http.StatusBadRequest, "selector: an expression must end with }")
	}
	program, err := expr.Compile(source)
	if err != nil {
		e := describe(err)
		e.Reason = "selector: " + e.Reason
		return selector{}, &Failure{Errors: []Error{e}}
	}
	return selector{program: program}, nil
}

func parseConditions(text string) (selector, error) {
	var s selector
	for _, part := range splitEscaped(text) {
		field, value, ok := strings.Cut(part, "=")
		if !ok || field == "" {
			return selector{}, fail(http.StatusBadRequest, `selector: a condition must be field=value; a comma in a value is written \,`)
		}
		if len(s.conditions) == maxConditions {
			return selector{}, fail(http.StatusBadRequest, "selector: more than "+strconv.Itoa(maxConditions)+" conditions")
		}
		m, ok := parseMask(value)
		if !ok {
			return selector{}, fail(http.StatusBadRequest, `selector: `+field+`: a backslash must stand before another character`)
		}
		s.conditions = append(s.conditions, condition{strings.Split(field, "."), m})
	}
	return s, nil
}

// splitEscaped splits at the commas which no backslash precedes.
func splitEscaped(text string) []string {
	var parts []string
	from := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case ',':
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}

func parseIDs(text string) (selector, error) {
	parts := strings.Split(text, ",")
	if len(parts) > maxIDs {
		return selector{}, fail(http.StatusBadRequest, "selector: more than "+strconv.Itoa(maxIDs)+" ids")
	}
	var s selector
	seen := map[int64]bool{}
	for _, part := range parts {
		id, err := strconv.ParseInt(part, 10, 64)
		if err != nil || part[0] == '+' {
			return selector{}, fail(http.StatusBadRequest, "selector: must be all, ids, field=value or {expression}")
		}
		if !seen[id] {
			seen[id] = true
			s.ids = append(s.ids, id)
		}
	}
	return s, nil
}

// mask is a compiled mask: characters, and the marks below.
type mask []rune

// What stands in a mask for * and for ?.
const (
	anyRun rune = -1
	anyOne rune = -2
)

// parseMask reads a mask; false where a backslash ends it.
func parseMask(text string) (mask, bool) {
	m := mask{}
	escaped := false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
			continue
		case c == '*':
			c = anyRun
		case c == '?':
			c = anyOne
		}
		m = append(m, c)
	}
	return m, !escaped
}

// match tells whether the mask fits the text. It does not go back further than to the
// latest *: at most len(mask) × len(text) steps.
func (m mask) match(text string) bool {
	s := []rune(text)
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(m) && m[p] == anyRun:
			star, mark = p, i
			p++
		case p < len(m) && (m[p] == anyOne || m[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(m) && m[p] == anyRun {
		p++
	}
	return p == len(m)
}
