// Package expr is the expression language of $filter and of the REST interface: it
// compiles a text into a Program and evaluates that over one object, an Input: the
// JSON payload of a message, or a message with its properties [EXT-FIL-2] [EXT-EXP-1].
//
// It hides the grammar, the rules of casting, how names are found in a payload, and
// the accounting that bounds an evaluation. It knows nothing of subscriptions, and it
// has no clock: the present time comes with the Input.
//
// # Grammar
//
//	expression = or [ "?" expression ":" expression ]
//	or         = and   { "||" and }
//	and        = bitor { "&&" bitor }
//	bitor      = bitxor { "|" bitxor }
//	bitxor     = bitand { "^" bitand }
//	bitand     = equal { "&" equal }
//	equal      = less  { ( "==" | "!=" | "~" | "!~" ) less }
//	less       = sum   { ( "<" | "<=" | ">" | ">=" ) sum }
//	sum        = product { ( "+" | "-" ) product }
//	product    = unary { ( "*" | "/" | "%" ) unary }
//	unary      = { "!" | "-" | "+" } primary
//	primary    = number | string | "true" | "false" | "null"
//	           | [ "$" ] name | call | "(" expression ")"
//	call       = text "(" [ expression { "," expression } ] ")"
//	           | "exists" "(" [ "$" ] name ")"
//	name       = ( text | key ) { key | "[" whole "]" | "." text }
//	key        = "[" string "]"
//	number     = digits [ "." digits ] [ exponent ] | "." digits [ exponent ] | "0x" hexdigits
//	exponent   = ( "e" | "E" ) [ "+" | "-" ] digits
//	string     = '"' { character | escape } '"' | "'" { character | escape } "'"
//	escape     = "\" ( "\" | '"' | "'" | "/" | "n" | "t" | "r" | "u" 4*hexdigit )
//	text       = letter, digit, "_" or "."; begins with a letter or "_"; after "]." with any
//	whole      = a number without a fraction, 0 to 2,147,483,647
//
// Letters and digits are those of Unicode. White space may stand between tokens, but
// not after "$", nor after the dot that follows "]". A text before "(" is a function, else a
// name, so that a member may be called "len"; one called "true" is reached as ["true"].
// The source is UTF-8, at most MaxSource bytes; parentheses, calls, unary operators and
// "?:" nest at most MaxDepth levels. Operators of one row group from the left, "?:" from
// the right. The errors of Compile tell the column, in bytes.
//
// # Values
//
// null, booleans, numbers (float64, always finite), strings, and JSON: an object or an
// array, which can be passed on, measured, compared and written as text. A value passes
// when it is true, a number other than zero, or a string that is not empty.
//
//	cast to    null   false   true    number    string                       JSON
//	number     0      0       1       itself    the number it spells, else - -
//	text       ""     "false" "true"  decimal   itself                       compact JSON
//	toboolean  false  false   true    is not 0  "true", "false", "" or as a
//	                                            number, else -               -
//
// A dash is undefined. A string spells a number where it is, as a whole, a decimal or a
// hexadecimal, with a sign or without. Decimals are the shortest that read back as the
// same number.
//
// Undefined is no value: the whole expression is undefined with its part, and nothing
// passes. So are: a missing name, a division or modulo by zero, a result or a JSON
// number beyond float64, a cast that fails, whole-number operands of | ^ & beyond 64
// bits, an argument that a function has no use for, and more than MaxSteps steps.
// The branch of ?: and if() that is not taken does not count; what follows after || and
// && are decided is not evaluated, but the names in it must be there all the same.
// exists(name) asks whether a name is there, and $name is null where it is missing.
//
// # Operators
//
//	a ? b : c      b where a passes, else c
//	a || b  a && b true or false: whether either passes, whether both do
//	| ^ &          casts to numbers, cuts off fractions, works on 64 bits with a sign
//	== !=          see below; a string literal with '*' on either side is a mask
//	~ !~           whether the text of the left side matches the mask on the right:
//	               '*' is any characters, '?' is one; null matches no mask
//	< <= > >=      see below
//	+              joins two strings; else adds, as numbers
//	- * / %        as numbers; % has the sign of its left side
//	! - +          whether it does not pass; numbers
//
// Comparisons: where one side is a number, both are cast to numbers. Two strings
// compare byte by byte, two booleans as 0 and 1. All others have no order: <, <=, >, >=
// are false, and they are unequal but for null and null, and two objects or arrays of
// the same compact text. A string that is no number is unequal to every number.
//
// # Names
//
// With a JSON payload, a.b.c is the member "a.b.c" of the top object if there is one;
// else, for the longest part before a dot that is a member and holds an object, what
// the rest means in that object by the same rule; then the next shorter part. Of
// members with the same key the last one counts. name[0] is an element, counted from
// 0, name["x y"] the member of just this key, also at the beginning: ["x y"].speed.
// JSON that is not an object has no names.
//
// Of a message there are topic, payload (text), cid, timestamp, qos, retain (boolean),
// user_properties and user_properties.key; of repeated keys the first counts.
//
// # Nouns
//
// Program: a compiled expression. Input: the object, with a tape. tape: what one
// validating pass over a payload leaves for finding names. node: a part of a program.
// mask: a text with '*' and '?'. fuel: what is left of the steps.
//
// # Invariants and ownership
//
// A Program never changes. An Input belongs to one goroutine and borrows what it is
// given; a Value that Eval returns owns its memory. Whatever the source and the
// payload, nothing panics, recursion is bounded by MaxDepth and MaxJSONDepth, and an
// evaluation does no more than MaxSteps pay for [EXT-EXP-2].
package expr
