package server

// interest is what an owner wants to be told of a socket, and what it is told.
type interest uint8

const (
	wantRead   interest = 1 << iota // there are bytes, or the end of them
	wantWrite                       // there is room
	wantHangup                      // the peer has shut its side
	sawHangup                       // both sides are shut
	sawError                        // the connection is lost
	watched                         // the socket is registered at all
)

// event is what the system says about the connection in a slot.
type event struct {
	slot, gen uint32
	what      interest
}

// slotListener is the first of the slots of listeners; connections have the ones
// below.
const slotListener = uint32(1) << 31
