// Package topic knows Topic Names and Topic Filters: which texts are legal,
// what matches what, and how a large set of filters is matched fast.
//
// It hides the grammar of names, filters, shared subscriptions and selectors,
// the layout of the matching tree, and the order in which a filter's matches
// lie among sorted names. It knows nothing of sessions, rights or QoS.
//
// # Grammar
//
//	name      = level *( "/" level )            1 to 65,535 bytes, no "+" and no "#"
//	filter    = plain / shared
//	plain     = ( flevel *( "/" flevel ) [ "/#" ] ) / "#"
//	flevel    = "+" / level                     "+" fills its level, "#" is the last level
//	shared    = "$share/" group "/" plain       plain does not begin with "$share/" again
//	group     = 1*char                          no "/", "+" or "#"
//	selector  = word 1*( "," word )             a level of a filter, where the Dialect reads commas
//	word      = 1*char                          no "/", "+", "#" or ","
//	level     = *char                           may be empty: "/" has two empty levels
//	char      = any character except "/", U+0000 to U+001F, U+007F to U+009F, U+FFFE, U+FFFF
//
// "$share" alone, "$SHARE/..." and "$shared/..." are plain filters. The depth
// cap counts the levels of a name, or of a filter after "$share/<group>/".
//
// # Matching
//
// Levels are compared byte by byte: no case folding, no Unicode normal forms,
// "a//b" is not "a/b" [MQTT-4.7.3-4] [MQTT311-4.7.3-4]. "a/#" matches "a" and
// everything below. A selector level matches each of its words and the level
// spelled exactly like the whole selector. A wildcard in the first level passes
// over the topics that the Dialect hides: those beginning with "$"
// [MQTT-4.7.2-1] and those under the broker's reserved first level [EXT-TOP-1].
//
// # Nouns
//
// Name, Filter, level, selector, word; Dialect: how a filter is read; Tree: a
// set of (filter, value) pairs; Walker: a scan over sorted names.
//
// # Invariants and ownership
//
// All functions are pure, none recurses, and what runs once per message
// (CheckName, the Match functions, Tree's Match) allocates nothing. A Tree guards itself with one lock and may be
// shared; a Walker belongs to one goroutine. UTF-8 itself is checked by the
// codec: text that is not UTF-8 is matched as bytes and does no harm.
package topic
