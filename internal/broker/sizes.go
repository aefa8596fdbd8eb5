package broker

import "unsafe"

// SessionBytes is what one attached session with one subscription takes beside
// its texts, the tree and what it queues. With server.Conn it must stay within
// 700 bytes; the server's tests see to that.
const SessionBytes = unsafe.Sizeof(Session{}) + unsafe.Sizeof(attachment{}) + unsafe.Sizeof(Subscription{})
