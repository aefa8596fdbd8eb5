// Package topic knows Topic Names and Topic Filters: which texts are legal,
// what matches what, and how a large set of filters is matched fast.
//
// It hides the grammar of names, filters, shared subscriptions, "$filter" and
// selectors, the layout of the matching tree, and the order in which a filter's
// matches lie among sorted names. It knows nothing of sessions, rights or QoS,
// and of expressions only where they stand.
//
// # Grammar
//
//	name      = level *( "/" level )            1 to 65,535 bytes, no "+" and no "#"
//	filter    = [ "$share/" group "/" ] [ "$filter/" item *( "&" item ) "/" ] plain
//	plain     = ( flevel *( "/" flevel ) [ "/#" ] ) / "#"
//	flevel    = "+" / selector / level          "+" fills its level, "#" is the last level
//	selector  = word 1*( "," word )             a level with a comma is nothing else
//	word      = 1*char                          no "/", "+", "#" or ","
//	level     = *char                           may be empty: "/" has two empty levels
//	group     = name                            not sticky
//	          / name [ ":" from ] ":" count     sticky: decimal numbers up to 65,535, count at least 1
//	item      = "cid=" id                       each item at most once, in any order
//	          / "modified_since" ( "=" / ">" ) seconds
//	          / "payload=" expression
//	          / "message=" expression
//	char      = any character except "/", U+0000 to U+001F, U+007F to U+009F, U+FFFE, U+FFFF
//
// A group's text holds no "/", "+" or "#"; what ends like a suffix is one, so a
// name before it has at least one character, and its numbers may have leading
// zeros. In an item, "%" and two hexadecimal digits stand for a byte; all other
// characters but "/" and "&" stand for themselves, "+" and "#" too.
//
// Where a part begins with "$share/" or "$filter/" it is that and nothing else:
// a plain filter after "$share" does not begin with "$share/" again, nor does
// one after "$filter" begin with either. "$share" and "$filter" alone,
// "$SHARE/..." and "$shared/..." are plain filters. The depth cap counts the
// levels of a name, or those of the plain filter.
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
// (CheckName, the Match functions, Tree's Match) allocates nothing. Hashes are
// seeded by the process, so that no tenant can make filters collide. A Tree
// guards itself with one lock and may be shared; a Walker belongs to one
// goroutine. UTF-8 itself is checked by the codec: text that is not UTF-8 is
// matched as bytes and does no harm.
package topic
