package conform

import (
	"fmt"
	"strings"

	"alcove/test/conform/wire"
)

// sample is the payload of the expressions below.
const sample = `{"speed":60,"zero":0,"neg":-5,"f":2.5,"yes":true,"no":false,"nil":null,"s":"Hello","empty":"","digits":"42","a":[10,20,[30]],` +
	`"position":{"speed":7,"deep":{"x":1}},"position.speed":99,"position.valid":true,"obj":{"k":"v"},"word":"a*b","topic":"one/two/three"}`

// expressions and whether the sample passes them.
var expressions = []struct {
	text   string
	passes bool
}{
	// The value: true, a non-zero number, a non-empty string.
	{"true", true}, {"false", false}, {"null", false}, {"1", true}, {"0", false}, {"-1", true}, {"0.1", true}, {`"x"`, true}, {`""`, false}, {`'x'`, true}, {`"0"`, true},
	{"speed", true}, {"zero", false}, {"yes", true}, {"no", false}, {"nil", false}, {"s", true}, {"empty", false},
	// Literals.
	{"0x1f==31", true}, {"0xFF==255", true}, {"1.5e1==15", true}, {"2.50==f", true}, {`'it "is"'=="it \"is\""`, true}, {"true==1", true}, {"null==0", true},
	// Precedence, from the lowest up.
	{"0?1:1?0:1", false}, {"1?2:0?0:0", true}, {"1||0&&0", true}, {"(1||0)&&0", false}, {"0&&0||1", true}, {"1&&0|1", true}, {"2|1^1", true}, {"(2|1)^3", false}, {"1^1&0", true}, {"(1^1)&0", false},
	{"1&2==2", true}, {"(1&2)==2", false}, {"1==2<3", true}, {"(3==3)<3", true}, {"1<1+1", true}, {"1+2*3==7", true}, {"(1+2)*3==9", true}, {"7-2-1==4", true}, {"8/4/2==1", true}, {"7%4==3", true}, {"2*3%4==2", true},
	{"-2+3==1", true}, {"!0+1==2", true}, {"- -2==2", true}, {"!!speed", true}, {"+digits==42", true}, {"!s==false", true}, {"6&3==3", false}, {"6|1", true}, {"5&2", false}, {"5^5", false},
	// Comparisons; they cast to number when either side is one.
	{"speed==60", true}, {"speed!=60", false}, {`speed=="60"`, true}, {"digits==42", true}, {`digits=="42"`, true}, {`"9"<10`, true}, {`"10"<"9"`, true}, {"speed>=60", true}, {"speed<=59", false}, {"neg<zero", true}, {"yes==1", true}, {"no==0", true}, {"nil==0", true},
	{`s=="Hello"`, true}, {`s=="hello"`, false}, {`"a"<"b"`, true},
	// Wildcards.
	{`s~"H*o"`, true}, {`s~"h*"`, false}, {`s~"?ello"`, true}, {`s~"?"`, false}, {`s~"*"`, true}, {`empty~"*"`, true}, {`s!~"H*"`, false}, {`s!~"x*"`, true}, {`s=="H*"`, true}, {`s!="H*"`, false}, {`s=="H?llo"`, false}, {`word=="a*b"`, true}, {`s~"*l*l*"`, true}, {`s~"*l*l*l*"`, false},
	// Names.
	{"position.speed==99", true}, {"position.deep.x==1", true}, {"position.valid", true}, {"obj.k=='v'", true}, {"a[0]==10", true}, {"a[1]==20", true}, {"a[2][0]==30", true}, {"a[3]==1", false}, {"a[9]!=1", false}, {"obj.none==1", false},
	// What is missing makes the whole undefined; $ gives null.
	{"none", false}, {"!none", false}, {"none==0", false}, {"none!=1", false}, {"none==null", false}, {"$none==null", true}, {"$none==0", true}, {"!$none", true}, {"$speed==60", true}, {"1+none", false}, {"none||1", false}, {"isnull($none)", true},
	{"1/0", false}, {"1/0==1/0", false}, {"1%0", false}, {"!(1/zero)", false}, {"zero/1==0", true}, {"speed/zero>1", false},
	// Functions.
	{"exists(speed)", true}, {"exists(none)", false}, {"!exists(none)", true}, {"exists(position.deep.x)", true}, {"exists(nil)", true}, {"isnull(nil)", true}, {"isnull(speed)", false}, {"isnumber(speed)", true}, {"isnumber(digits)", false}, {"isstring(s)", true}, {"isstring(speed)", false}, {"isboolean(no)", true}, {"isboolean(zero)", false},
	{`isjson(obj)`, true}, {`isjson(a)`, true}, {`isjson(s)`, false}, {`tonumber(digits)==42`, true}, {`tostring(speed)=="60"`, true}, {`isstring(tostring(speed))`, true}, {`toboolean(speed)`, true}, {`toboolean(zero)`, false}, {`isboolean(toboolean(speed))`, true},
	{"if(speed>50,1,0)", true}, {"if(speed<50,1,0)", false}, {`if(yes,"a","b")=="a"`, true}, {"abs(neg)==5", true}, {"floor(f)==2", true}, {"ceil(f)==3", true}, {"round(2.4)==2", true}, {"round(2.6)==3", true}, {"min(3,1,2)==1", true}, {"max(3,1,2)==3", true}, {"min(speed,neg)==neg", true},
	{"len(s)==5", true}, {"len(empty)==0", true}, {`lower(s)=="hello"`, true}, {`upper(s)=="HELLO"`, true}, {`substr(s,1,3)=="ell"`, true}, {`substr(s,1)=="ello"`, true}, {`contains(s,"ell")`, true}, {`contains(s,"xyz")`, false}, {`startswith(s,"He")`, true}, {`startswith(s,"el")`, false}, {`endswith(s,"lo")`, true}, {`endswith(s,"l")`, false},
	{"now()>1700000000", true}, {"now()<99999999999", true}, {`word(topic,0)=="one"`, true}, {`word(topic,2)=="three"`, true},
}

// wrongExpressions do not compile.
var wrongExpressions = []string{
	"(", ")", "()", "1+", "*1", "1 1", "a b", "a[", "a[0", "a[]", `"open`, "'open", "1==", "&&", "1?2", "1?:3", "?:", "f(", "nosuch(1)", "exists()", "exists(1)", "if(1,2)", "len()", "len(1,2)", "abs(1,2)", "1.2.3", "0x", "0xg", "@", "a=1", "a!1", "#", "`a`", "a,b", "word(topic)", "now(1)", "1e", "$", "$ a", "\\", "a;b", "{}", "[1]",
}

var expressionCases = []Case{
	{V5: "EXT-EXP-1", V311: "EXT-EXP-1", Title: "the table of expressions", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		subs := make([]wire.Sub, len(expressions))
		for i, e := range expressions {
			subs[i] = wire.Sub{Filter: "$filter/payload=" + percent(e.text) + "/" + k.Topic(fmt.Sprint(i)), Options: 1}
		}
		for i, r := range c.SubscribeAll(nil, subs...) {
			if r != 1 {
				k.Errorf("%s: %#02x", expressions[i].text, r)
			}
		}
		for i := range expressions {
			c.Send(wire.Publish{Topic: k.Topic(fmt.Sprint(i)), Payload: sample}.Bytes(k.V))
		}
		got := topicsOf(c.Drain())
		for i, e := range expressions {
			if n := got[k.Topic(fmt.Sprint(i))]; (n == 1) != e.passes {
				k.Errorf("%s comes %d times, want %v", e.text, n, e.passes)
			}
		}
	}},
	{V5: "EXT-EXP-1 EXT-FIL-1", V311: "EXT-EXP-1", Title: "what is no expression is refused", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		for _, e := range wrongExpressions {
			if r := c.Subscribe("$filter/payload="+percent(e)+"/"+k.Topic("a"), 1); r != k.refusal(0x8f) {
				k.Errorf("%s: %#02x", e, r)
			}
		}
	}},
	{V5: "EXT-EXP-2", V311: "EXT-EXP-2", Title: "source and depth are bounded", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		terms := func(bytes int) string { return "0" + strings.Repeat("|0", (bytes-1)/2) }
		for what, e := range map[string]string{
			"5,000 bytes": terms(5001), "4,097 bytes": terms(4097), "a literal of 5,000 bytes": `"` + strings.Repeat("x", 5000) + `"`, "65 parentheses": strings.Repeat("(", 65) + "1" + strings.Repeat(")", 65), "1,000 parentheses": strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000),
			"1,000 negations": strings.Repeat("!", 1000) + "1", "100 conditions": strings.Repeat("1?", 100) + "1" + strings.Repeat(":1", 100), "300 calls": strings.Repeat("abs(", 300) + "1" + strings.Repeat(")", 300), "500 indexes": "a" + strings.Repeat("[a", 500) + strings.Repeat("]", 500),
		} {
			if r := c.Subscribe("$filter/payload="+percent(e)+"/"+k.Topic("a"), 1); r != k.refusal(0x8f) {
				k.Errorf("%s: %#02x", what, r)
			}
		}
		for what, e := range map[string]string{"4,000 bytes": terms(3999) + "|1", "30 parentheses": strings.Repeat("(", 30) + "1" + strings.Repeat(")", 30), "30 negations": strings.Repeat("!", 30) + "1"} {
			c.Grant("$filter/payload="+percent(e)+"/"+k.Topic("ok"), 1)
			c.Say(k.Topic("ok"), "{}", 1)
			if got := c.Drain(); len(got) != 1 {
				k.Errorf("%s: %d messages", what, len(got))
			}
			c.Unsubscribe("$filter/payload=" + percent(e) + "/" + k.Topic("ok"))
		}
	}},
	{V5: "EXT-EXP-2", Title: "odd payloads and patterns end quickly and hurt nobody", Needs: needsDialect, Run: func(k *Kit) {
		c := k.Connect()
		c.Grant("$filter/payload="+percent(`s~"`+strings.Repeat("*a", 500)+`*b"`)+"/"+k.Topic("a"), 1)
		c.Grant("$filter/payload="+percent("x.x.x.x==1 || v>1")+"/"+k.Topic("a"), 1)
		for _, payload := range []string{
			`{"s":"` + strings.Repeat("a", 200000) + `"}`, strings.Repeat(`{"x":`, 20000) + "1" + strings.Repeat("}", 20000), strings.Repeat("[", 100000), `{"v":1e999}`, `{"v":-1e999}`, `{"v":"` + strings.Repeat("9", 5000) + `x"}`, `{"x":1,"x":2,"x":{"x":3}}`, `{"v":null}`, `{"v":[1]}`, `{"v":{}}`,
		} {
			c.Say(k.Topic("a"), payload, 1)
		}
		c.Drain()
		c.Unsubscribe("$filter/payload=" + percent(`s~"`+strings.Repeat("*a", 500)+`*b"`) + "/" + k.Topic("a"))
		c.Grant("$filter/payload=v==7/"+k.Topic("b"), 1)
		c.Say(k.Topic("b"), numbered(7), 1)
		c.Want(numbered(7))
	}},
}
