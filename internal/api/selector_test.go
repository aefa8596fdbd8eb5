package api

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestConditions: conditions are ANDed, read what is shown, and escape what would mean
// something [EXT-REST-2].
func TestConditions(t *testing.T) {
	type inner struct {
		Room string `json:"room"`
		Dots string `json:"a.b"`
	}
	item := struct {
		Name string   `json:"name"`
		N    int      `json:"n"`
		On   bool     `json:"on"`
		None *int     `json:"none"`
		List []string `json:"list"`
		Meta inner    `json:"meta"`
	}{`5*3=15, "wörld"\`, 170, true, nil, []string{"x"}, inner{"attic", "y"}}
	for _, c := range []struct {
		selector string
		want     bool
	}{
		{`name=*`, true},
		{`name=5*`, true},
		{`name=5\**`, true},
		{`name=5\**=15\,*`, true},
		{`name=5?3=15\, "w?rld"\\`, true},
		{`name=5\?3*`, false},
		{`name=*\\`, true},
		{`name=*w??rld*`, false},
		{`name=`, false},
		{`n=170`, true},
		{`n=17?,on=true`, true},
		{`n=17?,on=false`, false},
		{`n=1,n=170`, false},
		{`none=null`, true},
		{`none=*`, true},
		{`list=["x"]`, true},
		{`meta.room=att*`, true},
		{`meta.a.b=y`, true},
		{`meta.a=*`, false},
		{`other=*`, false},
		{`{n==170}`, true},
		{`{n>170}`, false},
		{`{meta.room=="att*" && on}`, true},
		{`{other==1}`, false},
		{`{$other==null}`, true},
		{`{name~"*=15, *"}`, true},
		{`{list[0]=="x"}`, true},
		{`all`, true},
	} {
		s, err := parseSelector(c.selector)
		if err != nil {
			t.Errorf("%s: %v", c.selector, err)
			continue
		}
		if got := s.begin().holds(item); got != c.want {
			t.Errorf("%s: %v", c.selector, got)
		}
	}
}

// TestMaskModel compares masks with regular expressions.
func TestMaskModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab*?\\ü]{0,8}`).Draw(t, "text")
		source := rapid.StringMatching(`([ab*?ü]|\\[ab*?\\ü]){0,8}`).Draw(t, "mask")
		m, ok := parseMask(source)
		if !ok {
			t.Fatalf("%q is refused", source)
		}
		var re strings.Builder
		re.WriteString(`(?s)\A`)
		for i, chars := 0, []rune(source); i < len(chars); i++ {
			switch c := chars[i]; c {
			case '*':
				re.WriteString(`.*`)
			case '?':
				re.WriteString(`.`)
			case '\\':
				i++
				re.WriteString(regexp.QuoteMeta(string(chars[i])))
			default:
				re.WriteString(regexp.QuoteMeta(string(c)))
			}
		}
		re.WriteString(`\z`)
		if got, want := m.match(text), regexp.MustCompile(re.String()).MatchString(text); got != want {
			t.Fatalf("%q on %q: %v", source, text, got)
		}
	})
}

// FuzzSelector: no text panics, and what is refused is refused with 400.
func FuzzSelector(f *testing.F) {
	for _, seed := range []string{"", "all", "1,2", "a=b,c=*", `a=\,`, "{a==1}", "{", "}", "{}", "=", ",", `\`, "-1", "{a}}"} {
		f.Add(seed)
	}
	item := map[string]any{"a": "b", "c": 1, "m": map[string]any{"x": nil}}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSelector(text)
		if err != nil {
			if e := describe(err); e.Code != 400 || !strings.HasPrefix(e.Reason, "selector: ") {
				t.Fatalf("%q: %+v", text, e)
			}
			return
		}
		s.begin().holds(item)
	})
}
