package server

import "time"

// Bounds that no setting moves.
const (
	// readSize is the one read buffer of a loop.
	readSize = 64 << 10
	// readBudget is how many bytes of one connection a turn reads.
	readBudget = 64 << 10
	// turnBudget is how long a turn takes before its output is flushed.
	turnBudget = time.Millisecond
	// laneSlice is how long one account is served while others wait.
	laneSlice = 200 * time.Microsecond
	// pollEvents is how many events are taken from the system at a time.
	pollEvents = 256
	// acceptBatch is how many connections a listener takes at a time.
	acceptBatch = 16
	// acceptBackoff is how long a listener rests when descriptors run out.
	acceptBackoff = 100 * time.Millisecond
	// reservedFiles is how many descriptors are kept back from connections:
	// store, listeners, outgoing.
	reservedFiles = 256

	// packetGrace and packetRate: a packet which has begun has packetGrace for
	// free, then its bytes must have come at packetRate bytes a second on the
	// average.
	packetGrace = 10 * time.Second
	packetRate  = 1 << 10

	// writeSize and writeChunks bound one write to a socket; writeSize and
	// writeRounds bound what a flush writes before the owner goes on.
	writeSize   = 512 << 10
	writeChunks = 64
	writeRounds = 8
	// flushSize is the largest output that is written at the end of a turn; the
	// owner writes what is larger, between other things.
	flushSize = 64 << 10
	// roundSize is about what the large outputs of a round write together,
	// shareLeast what each of them may write at least.
	roundSize  = 4 << 20
	shareLeast = 32 << 10
	// shareSize is the least size of a body that outputs refer to, not copy.
	shareSize = 8 << 10
	// controlBytes bounds the control packets that wait in one output.
	controlBytes = 1 << 20
	// pressTime is how long a full receiver may hold its feeders back.
	pressTime = 10 * time.Millisecond
	// paceTime is how long a connection is not read, at a time, because its account
	// publishes too much; the wheel adds two ticks at most.
	paceTime = 800 * time.Millisecond
	// lingerTime is how long a connection that we ended is read (and what
	// comes thrown away), so that the client sees why.
	lingerTime = 500 * time.Millisecond
	// lingerMax is how many connections of a loop are read so at a time; beyond
	// it they are closed at once. A flood of refused connects would else hold
	// descriptors that others need.
	lingerMax = 1024
	// closeTime is how long the last bytes of a connection may take.
	closeTime = 5 * time.Second

	// tailSize is the size of the pooled buffers for a partial packet,
	// tailsKept how many free ones a loop keeps.
	tailSize  = 2 << 10
	tailsKept = 64

	// aliasBytes bounds the Topic Names that a client's aliases hold.
	aliasBytes = 128 << 10
	// outAliases and outAliasTopic bound the aliases that we give towards one
	// client: their number, and the length of a Topic Name.
	outAliases    = 32
	outAliasTopic = 256

	// authRounds is how many AUTH packets one authentication may take.
	authRounds = 4

	// proxyHeaderMax bounds a PROXY protocol header with its TLVs.
	proxyHeaderMax = 4 << 10

	// wsHeadMax is the longest WebSocket frame header, wsControlMax the longest
	// payload of a control frame.
	wsHeadMax    = 14
	wsControlMax = 125

	// cipherBytes is how much TLS output is encrypted ahead of the socket.
	cipherBytes = 64 << 10
	// handshakesMax is how many TLS handshakes are under way at a time.
	handshakesMax = 1024
	// certificateCheck is how often certificate files are looked at.
	certificateCheck = 5 * time.Second

	// httpHeaderMax bounds the header of an HTTP request.
	httpHeaderMax = 32 << 10
	// httpBodyTime is how long the body of a request may take, httpAnswerTime the
	// whole of a request with an answer that is not streamed, httpIdleTime how long
	// a connection without a request is kept.
	httpBodyTime   = 30 * time.Second
	httpAnswerTime = 2 * time.Minute
	httpIdleTime   = 2 * time.Minute
	// http2Streams are the requests at a time of one HTTP/2 connection, http2Buffer
	// what it may hold of bodies that nobody has read yet.
	http2Streams = 100
	http2Buffer  = 1 << 20
	// httpGoodbye is how long requests under way may take at the end.
	httpGoodbye = 2 * time.Second

	// probeIdle and probeEvery: after so many seconds of silence the system
	// asks a TCP peer whether it is still there, so often, and gives it up when
	// probeCount questions go unanswered. It finds clients without Keep Alive
	// that have vanished.
	probeIdle, probeEvery, probeCount = 120, 30, 4
)
