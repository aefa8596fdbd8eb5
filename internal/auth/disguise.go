package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"sync"
)

// disguise is a permutation of [0, 2^idBits), like scatter and for what is shown more
// often than it is made: an id stands in every record of a session, so it must cost
// little. Its round function is one block of AES, which the processor does in
// nanoseconds.
type disguise struct {
	block cipher.Block
	rooms sync.Pool // of *[2][aes.BlockSize]byte
}

// newDisguise makes the permutation of ids of one kind.
func newDisguise(secret []byte, kind string) *disguise {
	block, err := aes.NewCipher(mac(secret, "ids of "+kind)[:16])
	if err != nil {
		panic("auth: AES with a key of 16 bytes: " + err.Error())
	}
	d := &disguise{block: block}
	d.rooms.New = func() any { return new([2][aes.BlockSize]byte) }
	return d
}

const (
	halfBits = idBits / 2
	halfMask = 1<<halfBits - 1
)

// hide turns a counter into the number that is shown.
func (d *disguise) hide(n uint64) uint64 {
	room := d.rooms.Get().(*[2][aes.BlockSize]byte)
	defer d.rooms.Put(room)
	return permute(n, func(round, half uint64) uint64 { return d.round(room, round, half) })
}

// find is the inverse of hide.
func (d *disguise) find(n uint64) uint64 {
	room := d.rooms.Get().(*[2][aes.BlockSize]byte)
	left, right := n>>halfBits&halfMask, n&halfMask
	for round := uint64(6); round > 0; round-- {
		left, right = right^d.round(room, round-1, left), left
	}
	d.rooms.Put(room)
	return left<<halfBits | right
}

func (d *disguise) round(room *[2][aes.BlockSize]byte, round, half uint64) uint64 {
	in, out := room[0][:], room[1][:]
	binary.BigEndian.PutUint64(in[:8], round)
	binary.BigEndian.PutUint64(in[8:], half)
	d.block.Encrypt(out, in)
	return binary.BigEndian.Uint64(out) & halfMask
}
