package client

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Authenticator is the client's side of an enhanced authentication (MQTT 5, 4.12).
// One value serves one exchange at a time; Start begins a new one.
type Authenticator interface {
	// Method is the Authentication Method, the same for the life of a connection.
	Method() string
	// Start returns the first Authentication Data.
	Start() ([]byte, error)
	// Next answers the data of an AUTH from the server.
	Next(data []byte) ([]byte, error)
	// Finish checks the data that came with success; nil when none came.
	Finish(data []byte) error
}

// maxIterations bounds the work that a server can ask of a SCRAM client.
const maxIterations = 1 << 20

// SCRAM is the client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel
// binding. For a token, the user is its id and the password its key [EXT-TOK-9].
type SCRAM struct {
	user, password string
	nonce          func() string

	clientNonce string
	firstBare   string
	serverSign  []byte
	answered    bool
}

// NewSCRAM returns an Authenticator for the given user and password.
func NewSCRAM(user, password string) *SCRAM {
	return &SCRAM{user: user, password: password, nonce: randomNonce}
}

func randomNonce() string {
	var b [18]byte
	rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// Method returns "SCRAM-SHA-256".
func (s *SCRAM) Method() string { return "SCRAM-SHA-256" }

// Start returns the client-first-message.
func (s *SCRAM) Start() ([]byte, error) {
	s.clientNonce, s.answered, s.serverSign = s.nonce(), false, nil
	name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.user)
	s.firstBare = "n=" + name + ",r=" + s.clientNonce
	return []byte("n,," + s.firstBare), nil
}

// Next answers the server-first-message with the client-final-message.
func (s *SCRAM) Next(data []byte) ([]byte, error) {
	if s.answered {
		// A second round carries the server's signature and wants no data.
		if err := s.Finish(data); err != nil {
			return nil, err
		}
		return nil, nil
	}
	fields := strings.Split(string(data), ",")
	if len(fields) < 3 || !strings.HasPrefix(fields[0], "r=") ||
		!strings.HasPrefix(fields[1], "s=") || !strings.HasPrefix(fields[2], "i=") {
		return nil, errors.New("SCRAM: the server's first message has another form")
	}
	nonce := fields[0][2:]
	if !strings.HasPrefix(nonce, s.clientNonce) || len(nonce) == len(s.clientNonce) {
		return nil, errors.New("SCRAM: the server's nonce does not extend ours")
	}
	salt, err := base64.StdEncoding.DecodeString(fields[1][2:])
	if err != nil {
		return nil, fmt.Errorf("SCRAM: salt: %w", err)
	}
	rounds, err := strconv.Atoi(fields[2][2:])
	if err != nil || rounds < 1 || rounds > maxIterations {
		return nil, errors.New("SCRAM: iteration count out of range")
	}
	return s.proof(nonce, string(data), salt, rounds)
}

func (s *SCRAM) proof(nonce, serverFirst string, salt []byte, rounds int) ([]byte, error) {
	salted, err := pbkdf2.Key(sha256.New, s.password, salt, rounds, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("SCRAM: %w", err)
	}
	final := "c=biws,r=" + nonce
	message := s.firstBare + "," + serverFirst + "," + final
	clientKey := mac(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	proof := mac(stored[:], message)
	subtle.XORBytes(proof, proof, clientKey)
	s.serverSign = mac(mac(salted, "Server Key"), message)
	s.answered = true
	return []byte(final + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// Finish checks the server's signature, by which it proves that it knows the verifier.
func (s *SCRAM) Finish(data []byte) error {
	if !s.answered {
		return errors.New("SCRAM: success before the exchange was complete")
	}
	text, ok := strings.CutPrefix(string(data), "v=")
	if !ok {
		return errors.New("SCRAM: no signature of the server")
	}
	text, _, _ = strings.Cut(text, ",")
	sign, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !hmac.Equal(sign, s.serverSign) {
		return errors.New("SCRAM: wrong signature of the server")
	}
	return nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
