package expr

// Message is what `message=` expressions see [EXT-FIL-2]. The Input borrows all of it.
type Message struct {
	Topic, Payload []byte
	CID            int64   // the account
	Timestamp      float64 // UNIX seconds
	QoS            byte
	Retain         bool
	User           [][2][]byte // user properties in order; of repeated keys the first counts
}

// mode is what an Input holds.
type mode uint8

const (
	holdsNothing mode = iota // every expression is undefined
	holdsJSON
	holdsMessage
)

// Input is what programs are asked about: one object, prepared once. It keeps its
// memory from one object to the next and belongs to one goroutine. The zero Input
// holds nothing, and nothing matches it. It holds a payload or a message: who asks
// both kinds of expressions about one message keeps an Input for each, so that the
// payload is read once [EXT-FIL-3].
type Input struct {
	mode mode
	now  float64 // UNIX seconds
	fuel int     // what is left for this evaluation, in bytes [EXT-EXP-2]

	document string // borrowed: the payload
	tape     tape
	message  *Message // borrowed

	scratch []byte // texts that this evaluation made
}

// SetJSON takes the payload of a message, for `payload=` expressions; now is UNIX
// seconds. It returns false where the payload is not valid JSON, or deeper than
// MaxJSONDepth, or longer than MaxPayload: then nothing matches [EXT-FIL-2]. JSON
// that is not an object has no names. The payload is borrowed until the next Set or
// Reset.
func (in *Input) SetJSON(payload []byte, now float64) bool {
	in.Reset()
	document := view(payload)
	if len(payload) > MaxPayload || !in.tape.read(document) {
		return false
	}
	in.mode, in.document, in.now = holdsJSON, document, now
	return true
}

// SetMessage takes a message, for `message=` expressions; now is UNIX seconds. The
// message and all it refers to are borrowed until the next Set or Reset.
func (in *Input) SetMessage(m *Message, now float64) {
	in.Reset()
	in.mode, in.message, in.now = holdsMessage, m, now
}

// Reset lets go of what is borrowed, and of memory that only an unusual object needed.
func (in *Input) Reset() {
	in.mode, in.document, in.message = holdsNothing, "", nil
	in.tape.reset()
	in.scratch = in.scratch[:0]
	if cap(in.scratch) > keptScratch {
		in.scratch = nil
	}
}

// begin prepares an evaluation.
func (in *Input) begin() bool {
	in.fuel = allFuel
	in.scratch = in.scratch[:0]
	return in.mode != holdsNothing
}

// Spent returns the steps that the last evaluation took, at most MaxSteps.
func (in *Input) Spent() int { return min((allFuel-in.fuel)/stepFuel, MaxSteps) }

// step pays for one node.
func (in *Input) step() bool {
	in.fuel -= stepFuel
	return in.fuel >= 0
}

// pay pays for n bytes. Once it has failed every later step of the evaluation fails
// too.
func (in *Input) pay(n int) bool {
	if n > in.fuel {
		in.fuel = -1
		return false
	}
	in.fuel -= n
	return true
}
