package topic

import (
	"math"
	"strings"
	"testing"
)

func TestParseItems(t *testing.T) { // [EXT-FIL-1]
	for text, want := range map[string]Filter{
		"$filter/cid=1/a":                        {Inner: "a", Items: Items{Account: 1, HasAccount: true}},
		"$filter/cid=9223372036854775807/+/#":    {Inner: "+/#", Items: Items{Account: math.MaxInt64, HasAccount: true}},
		"$filter/modified_since=1.5/a":           {Inner: "a", Items: Items{ModifiedSince: 1_500_000, HasModifiedSince: true}},
		"$filter/modified_since>0/a":             {Inner: "a", Items: Items{HasModifiedSince: true}}, // [EXT-RET-3]
		"$filter/modified_since%3E2/a":           {Inner: "a", Items: Items{ModifiedSince: 2_000_000, HasModifiedSince: true}},
		"$filter/modified_since%3d2/a":           {Inner: "a", Items: Items{ModifiedSince: 2_000_000, HasModifiedSince: true}},
		"$filter/payload=a>1/t/#":                {Inner: "t/#", Items: Items{Payload: "a>1", payloadAt: 16}},
		"$filter/payload=a+b#c/t":                {Inner: "t", Items: Items{Payload: "a+b#c", payloadAt: 16}}, // no wildcards there
		"$filter/payload=+/t":                    {Inner: "t", Items: Items{Payload: "+", payloadAt: 16}},
		"$filter/payload=%22x%22 == 'a,,b'/t":    {Inner: "t", Items: Items{Payload: `"x" == 'a,,b'`, payloadAt: 16}},
		"$filter/payload=a%26%26b/t":             {Inner: "t", Items: Items{Payload: "a&&b", payloadAt: 16}},
		"$filter/payload=a%2Fb%2fc/t":            {Inner: "t", Items: Items{Payload: "a/b/c", payloadAt: 16}},
		"$filter/payload=%25/t":                  {Inner: "t", Items: Items{Payload: "%", payloadAt: 16}},
		"$filter/payload==x/t":                   {Inner: "t", Items: Items{Payload: "=x", payloadAt: 16}},
		"$filter/payload=%C3%A9/t":               {Inner: "t", Items: Items{Payload: "é", payloadAt: 16}},
		"$filter/payload=%EF%BF%BD/t":            {Inner: "t", Items: Items{Payload: "\uFFFD", payloadAt: 16}},
		"$filter/message=qos/t":                  {Inner: "t", Items: Items{Message: "qos", messageAt: 16}},
		"$filter/message=m&cid=5&payload=p/$a/b": {Inner: "$a/b", Items: Items{Message: "m", messageAt: 16, Account: 5, HasAccount: true, Payload: "p", payloadAt: 32}},
		"$filter/cid=1//":                        {Inner: "/", Items: Items{Account: 1, HasAccount: true}},
		"$filter/cid=1/$filter":                  {Inner: "$filter", Items: Items{Account: 1, HasAccount: true}},
		"$filter/cid=1/$share":                   {Inner: "$share", Items: Items{Account: 1, HasAccount: true}},
		"$filter":                                {Inner: "$filter"}, // as "$share" alone, a plain filter
		"$filter+":                               {},
		"$FILTER/cid=1/a":                        {Inner: "$FILTER/cid=1/a"},
		"$filters/cid=1/a":                       {Inner: "$filters/cid=1/a"},
		"/$filter/cid=1/a":                       {Inner: "/$filter/cid=1/a"},
		"a/$filter/cid=1/a":                      {Inner: "a/$filter/cid=1/a"},
	} {
		f, err := Parse(text, 5)
		if want.Inner == "" {
			if kindOf(t, err) != Wildcard {
				t.Errorf("Parse(%q) = %v", text, err)
			}
			continue
		}
		if err != nil || f.Inner != want.Inner || f.Items != want.Items || f.Rest != text || f.Text != text {
			t.Errorf("Parse(%q) = %+v, %v", text, f, err)
		}
		shared, err := Parse("$share/g:2/"+text, 5)
		if err != nil || shared.Inner != want.Inner || shared.Rest != text || shared.Group != "g:2" || shared.Levels != f.Levels ||
			shared.Items.Payload != want.Items.Payload || shared.Items.Account != want.Items.Account {
			t.Errorf("shared %q: %+v, %v", text, shared, err)
		}
	}
}

// TestParseItemsRefused: the reason says what, the column where [EXT-FIL-1].
func TestParseItemsRefused(t *testing.T) {
	for _, c := range []struct {
		text   string
		want   Kind
		column int
		reason string
	}{
		{"$filter/", FilterItem, 9, "empty"},
		{"$filter//a", FilterItem, 9, "empty"},
		{"$filter/&cid=1/a", FilterItem, 9, "empty"},
		{"$filter/cid=1&/a", FilterItem, 15, "empty"},
		{"$filter/cid=1&&payload=x/a", FilterItem, 15, "empty"},
		{"$filter/cid=1", FilterItem, 14, "no topic filter"},
		{"$filter/cid=1/", FilterItem, 15, "no topic filter"},
		{"$filter/x=1/a", FilterItem, 9, "unknown"},
		{"$filter/=1/a", FilterItem, 9, "unknown"},
		{"$filter/CID=1/a", FilterItem, 9, "unknown"},
		{"$filter/ cid=1/a", FilterItem, 9, "unknown"},
		{"$filter/payload=a&&b/a", FilterItem, 19, "empty"},
		{"$filter/payload=a&b/a", FilterItem, 19, "unknown"},
		{"$filter/cid=1&cid=1/a", FilterItem, 15, "twice"},
		{"$filter/payload=a&cid=1&payload=b/a", FilterItem, 25, "twice"},
		{"$filter/message=a&message=a/a", FilterItem, 19, "twice"},
		{"$filter/modified_since=0&modified_since>0/a", FilterItem, 26, "twice"},
		{"$filter/cid/a", FilterItem, 12, "'='"},
		{"$filter/cid>1/a", FilterItem, 12, "'='"},
		{"$filter/payload/a", FilterItem, 16, "'='"},
		{"$filter/payload%3Ex/a", FilterItem, 16, "'='"},
		{"$filter/payload=/a", FilterItem, 17, "empty"},
		{"$filter/cid=/a", FilterItem, 13, "cid"},
		{"$filter/cid=0/a", FilterItem, 13, "cid"},
		{"$filter/cid=-1/a", FilterItem, 13, "cid"},
		{"$filter/cid=+1/a", FilterItem, 13, "cid"},
		{"$filter/cid=1_0/a", FilterItem, 13, "cid"},
		{"$filter/cid=0x1/a", FilterItem, 13, "cid"},
		{"$filter/cid%3Dx/a", FilterItem, 15, "cid"},
		{"$filter/cid=9223372036854775808/a", FilterItem, 13, "cid"},
		{"$filter/modified_since=/a", FilterItem, 24, "number"},
		{"$filter/modified_since=x/a", FilterItem, 24, "number"},
		{"$filter/modified_since>=1/a", FilterItem, 24, "number"},
		{"$filter/modified_since=1.2.3/a", FilterItem, 24, "number"},
		{"$filter/payload=%/a", FilterItem, 17, "digits"},
		{"$filter/payload=a%2/a", FilterItem, 18, "digits"},
		{"$filter/payload=a%2x/a", FilterItem, 18, "digits"},
		{"$filter/payload=a%g0/a", FilterItem, 18, "digits"},
		{"$filter/payload=%41%C3/a", FilterItem, 20, "UTF-8"},
		{"$filter/payload=%FF/a", FilterItem, 17, "UTF-8"},
		{"$filter/payload=%ED%A0%80/a", FilterItem, 17, "UTF-8"}, // a surrogate
		{"$filter/payload=a\nb/a", Character, 18, ""},
		{"$filter/payload=\xc2\x85/a", Character, 17, ""},
		{"$filter/cid=1/$share/g/a", FilterItem, 15, "$share stands before"},
		{"$filter/cid=1/$filter/cid=2/a", FilterItem, 15, "once"},
		{"$share/g/$filter/cid=1/$share/h/a", FilterItem, 24, "$share stands before"},
		{"$share/g/$filter/cid=1/$filter/payload=a/a", FilterItem, 24, "once"},
		{"$share/g/$filter/x=1/a", FilterItem, 18, "unknown"},
		{"$share/g/$filter/cid=1", FilterItem, 23, "no topic filter"},
		{"$filter/cid=1/a#", Wildcard, 16, ""},
		{"$filter/cid=1/a/b/c/d/e/f", Depth, 24, ""}, // [EXT-LIM-1], cap 5: only the inner filter counts
		{"$filter/payload=" + strings.Repeat("(", MaxBytes), Long, 0, ""},
	} {
		_, err := Parse(c.text, 5)
		if got := kindOf(t, err); got != c.want || err.(*Error).Column != c.column || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("Parse(%.60q) = %v, want kind %d, column %d", c.text, err, c.want, c.column)
		}
	}
	// A long expression is the expression's matter, not the grammar's.
	if f, err := Parse("$filter/payload="+strings.Repeat("(", 65000)+"/a", 0); err != nil || len(f.Items.Payload) != 65000 {
		t.Error(err)
	}
}

// TestColumns: a column of the decoded source is found again in the text.
func TestColumns(t *testing.T) { // [EXT-FIL-1]
	f, err := Parse("$share/g/$filter/message=a%20>%C3%A9&payload=%28x+1/t", 0)
	if err != nil || f.Items.Message != "a >é" || f.Items.Payload != "(x+1" {
		t.Fatal(f, err)
	}
	for column, want := range map[int]int{-5: 26, 0: 26, 1: 26, 2: 27, 3: 30, 4: 31, 5: 34, 6: 37, 7: 37} {
		if got := f.MessageColumn(column); got != want {
			t.Errorf("MessageColumn(%d) = %d, want %d", column, got, want)
		}
	}
	for column, want := range map[int]int{1: 46, 2: 49, 3: 50, 4: 51, 5: 52, 99: 52} {
		if got := f.PayloadColumn(column); got != want {
			t.Errorf("PayloadColumn(%d) = %d, want %d", column, got, want)
		}
	}
}

func TestModifiedSince(t *testing.T) { // [EXT-RET-3]
	for text, want := range map[string]int64{
		"0":                        0,
		"-0":                       0,
		"1":                        1_000_000,
		"1700000000.123456":        1_700_000_000_123_456,
		"1.5":                      1_500_000,
		".5":                       500_000,
		"5.":                       5_000_000,
		"1.0000009":                1_000_000, // down, so that 1.000001 is newer
		"-1.5":                     -1_500_000,
		"-1.0000001":               -1_000_001,
		"0001":                     1_000_000,
		"99999999999999":           math.MaxInt64,
		"-99999999999999.25":       math.MinInt64,
		"9223372036854.775807":     math.MaxInt64,
		"9223372036854.775806":     math.MaxInt64 - 1,
		strings.Repeat("9", 60000): math.MaxInt64,
	} {
		if got, ok := ModifiedSince(text); !ok || got != want {
			t.Errorf("ModifiedSince(%.30q) = %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "-", ".", "-.", "x", "1x", "1.x", "1.0000000x", "1.2.3", "+1", "1e9", " 1", "1 ", "--1", "NaN", "Inf", "0x1", "1,5"} {
		if got, ok := ModifiedSince(text); ok {
			t.Errorf("ModifiedSince(%q) = %d", text, got)
		}
	}
}
