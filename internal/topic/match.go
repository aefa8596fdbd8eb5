package topic

// Match reports whether a plain filter matches a topic by the standard's
// rules: '#' and '+' in the first level pass over topics that begin with '$'
// [MQTT-4.7.2-1], commas are plain text. Both must be legal; an illegal one
// gives a meaningless answer, never a panic.
func Match[T text](filter string, topic T) bool {
	return MatchIn(Dialect{HideDollar: true}, filter, topic)
}

// MatchReserved is Match with one more first level hidden from wildcards
// [EXT-TOP-1]; reserved is that level, without a slash, or "".
func MatchReserved[T text](filter string, topic T, reserved string) bool {
	return MatchIn(Dialect{HideDollar: true, HideFirst: reserved}, filter, topic)
}

// MatchSelector reports whether a rule of access matches a topic: comma lists
// are selectors [EXT-SEL-1], wildcards match every topic, '$' and reserved
// ones too.
func MatchSelector[T text](filter string, topic T) bool {
	return MatchIn(Dialect{Selectors: true}, filter, topic)
}

// MatchIn reports whether filter, read in dialect d, matches topic. Time is
// linear in the two lengths; it does not allocate or recurse. It is the
// reference for Tree.
func MatchIn[T text](d Dialect, filter string, topic T) bool {
	if len(filter) == 0 || len(topic) == 0 {
		return false
	}
	if (filter[0] == '+' || filter[0] == '#') && hidesTopic(&d, topic) {
		return false // [MQTT-4.7.2-1] [MQTT311-4.7.2-1] [EXT-TOP-1]
	}
	f, t := 0, 0 // where the current levels begin
	for {
		fend := levelEnd(filter, f)
		if fend == f+1 && filter[f] == '#' {
			return true
		}
		tend := levelEnd(topic, t)
		if !(fend == f+1 && filter[f] == '+') && !matchLevel(&d, filter[f:fend], topic[t:tend]) {
			return false
		}
		if fend == len(filter) {
			return tend == len(topic)
		}
		if tend == len(topic) {
			return filter[fend+1:] == "#" // "a/#" matches its parent "a"
		}
		f, t = fend+1, tend+1
	}
}

// levelEnd gives the index of the slash that ends the level which begins at
// from, or the length of t.
func levelEnd[T text](t T, from int) int {
	for from < len(t) && t[from] != '/' {
		from++
	}
	return from
}

// matchLevel reports whether a filter's level that is no wildcard matches a
// topic's level [MQTT-4.7.3-4] [MQTT311-4.7.3-4].
func matchLevel[T text](d *Dialect, want string, level T) bool {
	if want == string(level) { // compared in place, nothing is copied
		return true
	}
	return d.Selectors && hasWord(want, level) // [EXT-SEL-1]
}

// hasWord reports whether a comma list holds word.
func hasWord[T text](list string, word T) bool {
	for from := 0; from <= len(list); {
		end := from
		for end < len(list) && list[end] != ',' {
			end++
		}
		if list[from:end] == string(word) {
			return true
		}
		from = end + 1
	}
	return false
}
