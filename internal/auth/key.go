package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
)

const keyAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// newKey returns KeyLength random characters of [A-Za-z0-9], each equally likely:
// random bytes at or over the largest multiple of 62 are thrown away [EXT-TOK-1].
func newKey() string {
	const fair = 256 - 256%len(keyAlphabet)
	key := make([]byte, 0, KeyLength)
	var random [2 * KeyLength]byte
	for {
		rand.Read(random[:]) // never fails: crypto/rand ends the process instead
		for _, b := range random {
			if int(b) < fair {
				key = append(key, keyAlphabet[int(b)%len(keyAlphabet)])
				if len(key) == KeyLength {
					return string(key)
				}
			}
		}
	}
}

// isKey reports whether b has the form of a key.
func isKey[T ~string | ~[]byte](b T) bool {
	if len(b) != KeyLength {
		return false
	}
	for i := range len(b) {
		c := b[i]
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return false
		}
	}
	return true
}

type hash = [sha256.Size]byte

// secrets are what is stored of a key: hashes only [EXT-TOK-1].
type secrets struct {
	Key       hash      // SHA-256 of the key
	ShortSalt [16]byte  // random
	Short     hash      // SHA-256 of ShortSalt and the first ShortLength characters
	Scram     *verifier // [EXT-TOK-9]
}

// MarshalJSON writes the hashes in base64, half as long as lists of numbers.
func (s secrets) MarshalJSON() ([]byte, error) {
	return json.Marshal(storedSecrets{s.Key[:], s.ShortSalt[:], s.Short[:], s.Scram})
}

// UnmarshalJSON also reads the lists of numbers that were written once.
func (s *secrets) UnmarshalJSON(b []byte) error {
	var stored storedSecrets
	if err := json.Unmarshal(b, &stored); err != nil {
		return err
	}
	if len(stored.Key) != len(s.Key) || len(stored.ShortSalt) != len(s.ShortSalt) || len(stored.Short) != len(s.Short) {
		return errors.New("a hash of another length")
	}
	*s = secrets{hash(stored.Key), [16]byte(stored.ShortSalt), hash(stored.Short), stored.Scram}
	return nil
}

// storedSecrets is the form of secrets in a document. JSON reads bytes from a list of
// numbers too.
type storedSecrets struct {
	Key       []byte    `json:"key"`
	ShortSalt []byte    `json:"short_salt"`
	Short     []byte    `json:"short"`
	Scram     *verifier `json:"scram,omitempty"`
}

func newSecrets(key string, scram bool) secrets {
	s := secrets{Key: sha256.Sum256([]byte(key))}
	rand.Read(s.ShortSalt[:])
	s.Short = shortHash(s.ShortSalt, []byte(key[:ShortLength]))
	if scram {
		salt := make([]byte, 16)
		rand.Read(salt)
		s.Scram = newVerifier(key, salt, scramIterations)
	}
	return s
}

func shortHash(salt [16]byte, short []byte) hash {
	var b [16 + ShortLength]byte
	copy(b[:16], salt[:])
	copy(b[16:], short)
	return sha256.Sum256(b[:])
}

func sameHash(a, b *hash) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// verifier is what the server keeps for SCRAM-SHA-256 (RFC 5802, 3): nobody can log
// in with it.
type verifier struct {
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iterations"`
	StoredKey  hash   `json:"stored_key"`
	ServerKey  hash   `json:"server_key"`
}

func newVerifier(password string, salt []byte, iterations int) *verifier {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		panic("auth: PBKDF2 with fixed sizes: " + err.Error()) // only for sizes that FIPS mode forbids
	}
	return &verifier{
		Salt:       salt,
		Iterations: iterations,
		StoredKey:  sha256.Sum256(mac(salted, "Client Key")),
		ServerKey:  hash(mac(salted, "Server Key")),
	}
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// idBits is the size of the space that ids are drawn from: 13 decimal digits, exact
// in a JSON number, and short enough for a device's user name.
const idBits = 40

// scatter is a permutation of [0, 2^idBits), keyed by the installation's secret: a
// Feistel network of six rounds. Ids are scattered counters, so that they never come
// twice and yet tell no account how many others there are, or how busy [EXT-ACC-1].
func scatter(secret []byte, n uint64) uint64 {
	return permute(n, func(round, half uint64) uint64 { return feistel(secret, round, half) })
}

// permute runs a Feistel network of six rounds over idBits bits; f gives halfBits bits.
func permute(n uint64, f func(round, half uint64) uint64) uint64 {
	left, right := n>>halfBits&halfMask, n&halfMask
	for round := range uint64(6) {
		left, right = right, left^f(round, right)
	}
	return left<<halfBits | right
}

// feistel is the round function of scatter: idBits/2 bits of the HMAC-SHA-256 of round
// and half.
func feistel(secret []byte, round, half uint64) uint64 {
	var block [16]byte
	binary.BigEndian.PutUint64(block[:8], round)
	binary.BigEndian.PutUint64(block[8:], half)
	return binary.BigEndian.Uint64(mac(secret, string(block[:]))) & halfMask
}
