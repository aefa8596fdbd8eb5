package expr

// The bounds of a program and of its evaluation [EXT-EXP-2].
const (
	// MaxSource is the longest source of a program, in bytes.
	MaxSource = 4096
	// MaxDepth is how deep parentheses, calls, unary operators and branches of ?: may
	// nest.
	MaxDepth = 64
	// MaxSteps is how much one evaluation may do. A node of the program is one step,
	// and so are 64 bytes of text that are read, compared or made.
	MaxSteps = 10_000
)

// The bounds of an Input.
const (
	// MaxJSONDepth is how deep objects and arrays may nest in a payload; beyond it
	// the payload counts as not valid.
	MaxJSONDepth = 128
	// MaxPayload is the longest payload that is read, in bytes; MQTT's own limit is
	// the same.
	MaxPayload = 1<<28 - 1

	// maxMembers is how many members of objects are indexed. Names of a larger
	// payload are looked up by walking through it, and the steps pay for that.
	maxMembers = 1 << 14
	// maxHops is how far a chain of the index is followed while it is built: longer
	// ones come only of keys that were made to collide.
	maxHops = 32
	// keptMembers and keptScratch are what an Input keeps for the next payload.
	keptMembers = 1 << 10
	keptScratch = 1 << 16
)

// Fuel is counted in bytes, so that short texts are not rounded up to a step each.
const (
	stepFuel = 64
	allFuel  = MaxSteps * stepFuel
)
