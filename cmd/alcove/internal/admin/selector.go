package admin

import (
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"alcove/cmd/alcove/internal/remote"
)

// selection is what arguments select: one selector for each question to ask.
type selection struct {
	selectors []string // not escaped
	sure      bool     // only by ids: what is selected was looked up before
	named     bool     // only by ids and by names without wildcards
}

// selectorHelp explains arguments that select.
const selectorHelp = `What is selected: all; ids; a name, which may have the wildcards * and ?; field=value,
where several must all hold; {expression}; or - for ids and names from the standard
input, a line each.`

// choose reads the arguments of a command that selects items. named is the field by
// which a word that is no id selects; "" allows none [EXT-REST-2].
func choose(args []string, named string, in io.Reader) (selection, error) {
	var ids, conditions, others []string
	for _, arg := range args {
		switch {
		case arg == "-":
			lines, err := readLines(in)
			if err != nil {
				return selection{}, err
			}
			for _, line := range lines {
				if isID(line) {
					ids = append(ids, line)
				} else if other, err := byName(literal.Replace(line), named); err != nil {
					return selection{}, err
				} else {
					others = append(others, other)
				}
			}
		case arg == "":
			return selection{}, wrong("an empty argument selects nothing")
		case arg == "all" || strings.HasPrefix(arg, "{"):
			others = append(others, arg)
		case strings.Contains(arg, "="):
			conditions = append(conditions, arg)
		default:
			for word := range strings.SplitSeq(arg, ",") {
				if isID(word) {
					ids = append(ids, word)
				} else if other, err := byName(word, named); err != nil {
					return selection{}, err
				} else {
					others = append(others, other)
				}
			}
		}
	}
	s := selection{selectors: others, sure: len(others)+len(conditions) == 0}
	s.named = len(conditions) == 0 && !slices.ContainsFunc(others, func(o string) bool {
		return o == "all" || o[0] == '{' || strings.ContainsAny(escaped.ReplaceAllString(o, ""), "*?")
	})
	if len(conditions) > 0 {
		s.selectors = append(s.selectors, strings.Join(conditions, ","))
	}
	for len(ids) > 0 {
		n := min(len(ids), remote.PageSize)
		s.selectors = append(s.selectors, strings.Join(ids[:n], ","))
		ids = ids[n:]
	}
	return s, nil
}

func isID(word string) bool {
	_, err := strconv.ParseInt(word, 10, 64)
	return err == nil
}

// escaped is a character that a backslash makes literal in a selector, and literal
// makes a text so.
var (
	escaped = regexp.MustCompile(`\\.`)
	literal = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `,`, `\,`)
)

// byName makes the selector of a name, which may have wildcards.
func byName(word, named string) (string, error) {
	switch {
	case word == "":
		return "", wrong("an empty name selects nothing")
	case named == "":
		return "", wrong("%q is not an id, all, field=value or {expression}", word)
	}
	return named + "=" + word, nil
}

// under is the path of what a selector selects in a collection.
func under(path, selector string) string { return path + "/" + url.PathEscape(selector) }
