package topic

import "strings"

// Dialect says how filters are read. The zero value reads commas as plain text
// and lets wildcards match every topic; rules of access are read as
// Dialect{Selectors: true}, subscriptions with HideDollar and HideFirst set as
// well.
type Dialect struct {
	// HideDollar keeps topics that begin with '$' from a wildcard in the
	// first level [MQTT-4.7.2-1].
	HideDollar bool
	// HideFirst is a further first level hidden in the same way, whole and
	// without a slash; "" for none [EXT-TOP-1].
	HideFirst string
	// Selectors makes a level with commas a list of words [EXT-SEL-1].
	Selectors bool
}

// text is what names and filters are held in: a packet's bytes or a string.
type text interface{ string | []byte }

// hides reports whether a first-level wildcard passes over topics whose first
// level is first.
func (d *Dialect) hides(first string) bool {
	// [MQTT-4.7.2-1] [MQTT311-4.7.2-1]
	if d.HideDollar && first != "" && first[0] == '$' {
		return true
	}
	return d.HideFirst != "" && first == d.HideFirst // [EXT-TOP-1]
}

// hidesTopic is hides for a whole topic.
func hidesTopic[T text](d *Dialect, topic T) bool {
	if d.HideDollar && len(topic) > 0 && topic[0] == '$' {
		return true
	}
	return d.HideFirst != "" && Under(topic, d.HideFirst)
}

// hidesAtMost reports whether whatever d hides is hidden by other too.
func (d *Dialect) hidesAtMost(other *Dialect) bool {
	if d.HideDollar && !other.HideDollar {
		return false
	}
	return d.HideFirst == "" || other.hides(d.HideFirst)
}

// list reports whether d reads level as a comma list.
func (d *Dialect) list(level string) bool {
	return d.Selectors && strings.IndexByte(level, ',') >= 0
}
