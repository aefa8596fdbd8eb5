package expr

import "testing"

// report is a payload of 303 bytes as devices send it.
const report = `{"ident":"352093081234567","position.latitude":54.6871,"position.longitude":25.2797,"position.speed":81,` +
	`"engine.ignition.status":true,"battery.voltage":12.6,"timestamp":1700000000.123,"din":3,"gsm.signal.level":84,` +
	`"movement.status":true,"event.enum":16,"channel.id":1234,"server.timestamp":1700000000.2}`

// nestedReport says the same in objects.
const nestedReport = `{"ident":"352093081234567","position":{"latitude":54.6871,"longitude":25.2797,"speed":81},` +
	`"engine":{"ignition":{"status":true}},"battery":{"voltage":12.6},"timestamp":1700000000.123,"din":3,"gsm":{"signal":{"level":84}},` +
	`"movement":{"status":true},"event":{"enum":16},"channel":{"id":1234},"server":{"timestamp":1700000000.2}}`

func BenchmarkSetJSON(b *testing.B) {
	for name, payload := range map[string]string{"flat": report, "nested": nestedReport} {
		b.Run(name, func(b *testing.B) {
			bytes := []byte(payload)
			var in Input
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				in.SetJSON(bytes, 0)
			}
		})
	}
}

// BenchmarkFirst is the price of a filtered message: reading it, and one expression.
func BenchmarkFirst(b *testing.B) {
	for name, payload := range map[string]string{"flat": report, "nested": nestedReport} {
		b.Run(name, func(b *testing.B) {
			p := compile(b, "position.speed > 80 && din == 3")
			bytes := []byte(payload)
			var in Input
			b.ReportAllocs()
			for b.Loop() {
				in.SetJSON(bytes, 0)
				if !p.Match(&in) {
					b.Fatal("no match")
				}
			}
		})
	}
}

// BenchmarkNext is the price of each further expression on the same message.
func BenchmarkNext(b *testing.B) {
	for _, source := range []string{
		"din == 3", "position.speed > 80", "din == 3 && position.speed > 80", "ident == '352093081234567'", "ident ~ '3520*'", "exists(din)",
		"battery.voltage * 1000 < 13000", "server.timestamp - timestamp < 5", "$alarm == 1",
	} {
		b.Run(source, func(b *testing.B) {
			p := compile(b, source)
			var in Input
			in.SetJSON([]byte(report), 0)
			b.ReportAllocs()
			for b.Loop() {
				p.Match(&in)
			}
		})
	}
}

func BenchmarkMessage(b *testing.B) {
	p := compile(b, "word(topic, 1) == '7' && user_properties.unit == 'km'")
	m := &Message{Topic: []byte("gate/7/status"), User: [][2][]byte{{[]byte("unit"), []byte("km")}}}
	var in Input
	b.ReportAllocs()
	for b.Loop() {
		in.SetMessage(m, 0)
		if !p.Match(&in) {
			b.Fatal("no match")
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		compile(b, "din == 3 && position.speed > 80")
	}
}
