package store

import (
	"encoding/binary"
	"fmt"

	"alcove/internal/auth"
	"alcove/internal/broker"
)

// The spaces: the letter after top and account. See the package doc.
const (
	spaceDocument byte = 'd'
	spaceFormat   byte = 'f'
	spaceHead     byte = 'h'
	spaceRow      byte = 'l'
	spaceMessage  byte = 'm'
	spaceOwner    byte = 'o'
	spaceTarget   byte = 'q'
	spaceRetained byte = 'r'
)

// The parts of an owner, in the order in which Load wants them.
const (
	partSession      byte = 1
	partGroup        byte = 2
	partState        byte = 3
	partPage         byte = 4
	partSubscription byte = 5
)

const (
	prefixLen = 8 + 8 + 1     // top, account, space
	ownerLen  = prefixLen + 8 // and the owner
	targetLen = prefixLen + 8 // and the message
)

// firstTree is where the keys of the first tree of accounts begin: everything
// before it belongs to the installation.
func firstTree() []byte { return appendPrefix(nil, 1, 0, 0) }

// appendPrefix appends what every key begins with.
func appendPrefix(dst []byte, top, account auth.AccountID, space byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(top))
	dst = binary.BigEndian.AppendUint64(dst, uint64(account))
	return append(dst, space)
}

// appendAccount appends the bound below which the keys of account and of those
// before it are; its own begin there.
func appendAccount(dst []byte, top, account auth.AccountID) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(top))
	return binary.BigEndian.AppendUint64(dst, uint64(account))
}

// appendMessageKey appends the key of a message in space m or q.
func appendMessageKey(dst []byte, top auth.AccountID, space byte, id broker.MessageID) []byte {
	dst = appendPrefix(dst, top, 0, space)
	return binary.BigEndian.AppendUint64(dst, uint64(id))
}

// appendExtraKey appends the key of queue entries that were added to a message
// stored before; the first of them makes the key unique.
func appendExtraKey(dst []byte, top auth.AccountID, id broker.MessageID, first broker.Target) []byte {
	dst = appendMessageKey(dst, top, spaceTarget, id)
	dst = binary.BigEndian.AppendUint64(dst, uint64(first.Owner))
	return binary.BigEndian.AppendUint64(dst, first.Seq)
}

// appendOwnerKey appends the bound at which the keys of an owner begin.
func appendOwnerKey(dst []byte, top, account auth.AccountID, id broker.OwnerID) []byte {
	dst = appendPrefix(dst, top, account, spaceOwner)
	return binary.BigEndian.AppendUint64(dst, uint64(id))
}

// appendPageKey appends the key of an outlying page of an owner's state.
func appendPageKey(dst []byte, o *owner, number uint64) []byte {
	dst = append(appendOwnerKey(dst, o.top, o.account, o.id), partPage)
	return binary.BigEndian.AppendUint64(dst, number)
}

// appendDocumentKey appends the bound at which the documents of a kind begin.
func appendDocumentKey(dst []byte, kind string) []byte {
	dst = appendPrefix(dst, 0, 0, spaceDocument)
	return append(append(dst, kind...), 0)
}

// appendDocumentID appends a document's id to the bound of its kind. The sign is
// turned so that the order of bytes is the order of numbers.
func appendDocumentID(dst []byte, id int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(id)^1<<63)
}

// key is a parsed key of a tree.
type key struct {
	top, account auth.AccountID
	space        byte
	rest         []byte // borrowed: what follows the space
}

// parseKey takes the key of a tree apart.
func parseKey(b []byte) (key, error) {
	if len(b) < prefixLen {
		return key{}, fmt.Errorf("key %x is too short", b)
	}
	return key{
		top:     auth.AccountID(binary.BigEndian.Uint64(b)),
		account: auth.AccountID(binary.BigEndian.Uint64(b[8:])),
		space:   b[16],
		rest:    b[prefixLen:],
	}, nil
}

// owner takes the rest of a key of space o apart.
func (k key) owner() (id broker.OwnerID, part byte, rest []byte, err error) {
	if len(k.rest) < 9 {
		return 0, 0, nil, fmt.Errorf("key %x of account %d names no owner", k.rest, k.account)
	}
	return broker.OwnerID(binary.BigEndian.Uint64(k.rest)), k.rest[8], k.rest[9:], nil
}

// message takes the rest of a key of space q apart; extra tells whether it holds
// entries that were added later.
func (k key) message() (id broker.MessageID, extra bool, err error) {
	if len(k.rest) != 8 && len(k.rest) != 24 {
		return 0, false, fmt.Errorf("key %x of tree %d names no message", k.rest, k.top)
	}
	return broker.MessageID(binary.BigEndian.Uint64(k.rest)), len(k.rest) == 24, nil
}

// pageNumber reads the rest of a page's key, which has its length.
func pageNumber(rest []byte) uint64 { return binary.BigEndian.Uint64(rest) }
