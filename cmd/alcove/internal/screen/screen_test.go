package screen

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string][2]string{
		"plain":                 {"plain", "plain"},
		"日本 é":                  {"日本 é", "日本 é"},
		"a\nb\tc\rd":            {"a\nb\tc\\x0dd", `a\nb\tc\rd`},
		"\x1b[31mred\x1b]0;x\a": {`\x1b[31mred\x1b]0;x\x07`, `\x1b[31mred\x1b]0;x\x07`},
		"\u009b31m":             {`\u009b31m`, `\u009b31m`},
		"\u202etxt.exe":         {`\u202etxt.exe`, `\u202etxt.exe`},
		"a\u200bb\ufeff":        {`a\u200bb\ufeff`, `a\u200bb\ufeff`},
		"\u2028x\u061c":         {`\u2028x\u061c`, `\u2028x\u061c`},
		"\xff\xc3":              {`\xff\xc3`, `\xff\xc3`},
		"\U000e0041\ue0b0":      {`\ue0041\ue0b0`, `\ue0041\ue0b0`},
		"\x7f":                  {`\x7f`, `\x7f`},
	} {
		if got := Escape(in); got != want[0] {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want[0])
		}
		if got := Cell(in); got != want[1] {
			t.Errorf("Cell(%q) = %q, want %q", in, got, want[1])
		}
	}
}

// TestNothingActs: whatever comes from elsewhere, a table has no character that acts
// on a terminal but its line ends, and as many lines as rows.
func TestNothingActs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var out bytes.Buffer
		table := NewTable(&out, "A", "B")
		table.Columns = rapid.IntRange(0, 60).Draw(t, "columns")
		rows := rapid.IntRange(0, 5).Draw(t, "rows")
		for range rows {
			table.Row(string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")), rapid.String().Draw(t, "text"))
		}
		if err := table.Flush(); err != nil {
			t.Fatal(err)
		}
		if !utf8.Valid(out.Bytes()) {
			t.Fatalf("%q is not UTF-8", out.String())
		}
		if n := strings.Count(out.String(), "\n"); n != rows+1 {
			t.Fatalf("%d lines for %d rows: %q", n, rows, out.String())
		}
		for _, r := range out.String() {
			if r != '\n' && Acts(r) {
				t.Fatalf("%q has %U", out.String(), r)
			}
		}
	})
}

func TestCutIsNoWider(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := Cell(rapid.String().Draw(t, "text"))
		columns := rapid.IntRange(1, 40).Draw(t, "columns")
		got := Cut(text, columns)
		if Width(got) > columns {
			t.Fatalf("Cut(%q, %d) = %q has %d columns", text, columns, got, Width(got))
		}
		if Width(text) <= columns && got != text {
			t.Fatalf("Cut(%q, %d) = %q", text, columns, got)
		}
	})
}

func TestWidth(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "日本": 4, "e\u0301": 1, "ﾊ": 1, "😀": 2, "Ａ": 2} {
		if got := Width(text); got != want {
			t.Errorf("Width(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	table := NewTable(&out, "ID", "NAME", "NOTE")
	table.Row("1", "日本", "x")
	table.Row("22", "", "a  b\n")
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	table.Row("333", "later", "wider") // a further page keeps the widths
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "ID  NAME  NOTE\n1   日本  x\n22  -     a  b\n333  later  wider\n"
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", out.String(), want)
	}

	out.Reset()
	table = NewTable(&out, "ID", "NAME")
	table.NoHeader()
	table.Columns = 20
	table.Row("1", strings.Repeat("n", 40))
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "1  " + strings.Repeat("n", 16) + "…\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
