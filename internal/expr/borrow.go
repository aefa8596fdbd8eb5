package expr

import "unsafe"

// Texts are strings in here, also those that lie in a payload, in a message or in
// scratch memory: a Value of string, float64 and kind fits in registers, one with a
// slice does not. They are looked at during one evaluation only, while the Input may
// rely on what it borrowed; Eval copies what it returns.

// view is b as a string, without a copy. b must not change while it is in use.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bare is s as bytes, without a copy, for functions that only read them.
func bare(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
