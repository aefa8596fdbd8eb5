package auth

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// ScramMethod is the Authentication Method of this exchange [EXT-TOK-9].
const ScramMethod = "SCRAM-SHA-256"

const scramIterations = 4096 // the least that RFC 7677 allows; a key has 380 bits anyway

// Scram is the server's side of one SCRAM-SHA-256 exchange (RFC 5802, RFC 7677), at
// CONNECT or in a re-authentication: two messages each way. The user is a token's
// decimal id, the password its key. Not safe for concurrent use.
//
// A user that does not exist, a token that was made without scram and a wrong proof
// go through the same two rounds and fail at the same place with the same error, so
// that the exchange tells nobody which ids exist.
type Scram struct {
	directory *Directory
	addr      netip.Addr
	state     scramState
	nonce     string // the client's and ours together

	header      []byte // gs2 header of the client's first message
	firstBare   []byte // the client's first message without it
	serverFirst []byte
	user        []byte
	mark        fingerprint // of the user and its address
	named       *entry      // the user's token, if there is one
	entry       *entry      // the same if it has a verifier
	verifier    *verifier
}

type scramState uint8

const (
	scramFirst scramState = iota
	scramFinal
	scramDone
)

// NewScram begins an exchange for a client at addr.
func NewScram(d *Directory, addr netip.Addr) *Scram {
	var random [18]byte
	rand.Read(random[:])
	return &Scram{directory: d, addr: addr, nonce: base64.StdEncoding.EncodeToString(random[:])}
}

// Step takes the Authentication Data of the client's next message. First round: reply
// is to be sent in an AUTH 0x18 and done is false. Second round: done is true, g is
// the grant of the token, and reply is the data of the CONNACK or of the AUTH 0x00.
// Any error is an *mqtt.Error, 0x87 (0x8A for a blocked account, 0x9F after too many
// failures), inside of a *Refusal where there is such a token, and ends the exchange, as
// does a third call [MQTT-4.12.0-4].
func (s *Scram) Step(data []byte, now time.Time) (reply []byte, done bool, g *Grant, err error) {
	state := s.state
	s.state = scramDone
	if len(data) > MaxScramMessage {
		return nil, false, nil, errScramSyntax
	}
	switch state {
	case scramFirst:
		if err := s.first(data, now); err != nil {
			return nil, false, nil, err
		}
		s.state = scramFinal
		return s.serverFirst, false, nil, nil
	case scramFinal:
		a, err := s.attempt(now)
		if err != nil {
			return nil, false, nil, err
		}
		reply, err = s.final(data)
		if err == nil && s.entry == nil {
			err = errScram
		}
		if err != nil {
			a.failed(s.user, s.mark)
			a.end()
			return nil, false, nil, s.blame(err)
		}
		s.directory.guard.remember(s.mark)
		g, err = s.directory.admit(s.entry, s.addr, now)
		if err != nil {
			return nil, false, nil, err
		}
		return reply, true, g, nil
	}
	return nil, false, nil, errScram
}

// attempt counts the round as a login of the user: refused before any hashing where
// too many have failed. What was right before is the user from this address.
func (s *Scram) attempt(now time.Time) (a attempt, err error) {
	a = s.directory.guard.attempt(s.addr, now)
	from := s.addr.As16()
	mark, may := a.mayTry(s.user, from[:])
	if s.mark = mark; !may {
		return a, errRate
	}
	return a, nil
}

// blame says in whose name an exchange has failed, where there is such a token.
func (s *Scram) blame(err error) error {
	if s.named == nil {
		return err
	}
	r := s.named.rec.Load()
	return &Refusal{Token: r.ID, Account: r.Account, Cause: err}
}

// first reads client-first-message: gs2-header "n=" user ",r=" nonce.
func (s *Scram) first(data []byte, now time.Time) error {
	cbind, rest, ok := bytes.Cut(data, []byte(","))
	// "p=" asks for channel binding, which this mechanism name does not have. "y" says
	// that the client could, and thinks that we could not: so it is.
	if !ok || string(cbind) != "n" && string(cbind) != "y" {
		return errScramSyntax
	}
	authzid, bare, ok := bytes.Cut(rest, []byte(","))
	if !ok {
		return errScramSyntax
	}
	fields := bytes.Split(bare, []byte(","))
	if len(fields) < 2 || !bytes.HasPrefix(fields[0], []byte("n=")) || !bytes.HasPrefix(fields[1], []byte("r=")) {
		return errScramSyntax // also "m=": a mandatory extension that we do not know
	}
	user, ok := saslName(fields[0][2:])
	nonce := fields[1][2:]
	if !ok || !isNonce(nonce) || !areExtensions(fields[2:]) {
		return errScramSyntax
	}
	if len(authzid) > 0 {
		name, ok := saslName(bytes.TrimPrefix(authzid, []byte("a=")))
		if !ok || !bytes.HasPrefix(authzid, []byte("a=")) || name != user {
			return errScramSyntax // acting for somebody else is not offered
		}
	}
	s.user = []byte(user)
	if _, err := s.attempt(now); err != nil {
		return err
	}
	s.header = bytes.Clone(data[:len(data)-len(bare)])
	s.firstBare = bytes.Clone(bare)
	s.nonce = string(nonce) + s.nonce
	if s.verifier == nil {
		s.find(user)
	}
	s.serverFirst = scramServerFirst(s.nonce, s.verifier)
	return nil
}

// find looks the user up. For one that cannot log in by SCRAM it makes up a verifier
// whose salt is always the same for the same name, and which no password opens.
func (s *Scram) find(user string) {
	if id, ok := parseTokenID(user); ok {
		if e := s.directory.tokens.get(id); e != nil {
			s.named, s.entry, s.verifier = e, e, e.rec.Load().secret.Scram
		}
	}
	secret := s.directory.secret
	fake := &verifier{
		Salt:       mac(secret, "scram salt "+user)[:16],
		Iterations: scramIterations,
		StoredKey:  hash(mac(secret, "scram key "+user)),
	}
	if s.verifier == nil {
		s.entry, s.verifier = nil, fake
	}
}

func scramServerFirst(nonce string, v *verifier) []byte {
	b := append([]byte("r="), nonce...)
	b = append(b, ",s="...)
	b = base64.StdEncoding.AppendEncode(b, v.Salt)
	b = append(b, ",i="...)
	return strconv.AppendInt(b, int64(v.Iterations), 10)
}

// final reads client-final-message: "c=" gs2-header ",r=" nonce ",p=" proof.
// It returns server-final-message when the proof is right.
func (s *Scram) final(data []byte) ([]byte, error) {
	cut := bytes.LastIndex(data, []byte(",p="))
	if cut < 0 {
		return nil, errScramSyntax
	}
	withoutProof := data[:cut]
	proof, err := base64.StdEncoding.Strict().AppendDecode(nil, data[cut+3:])
	fields := bytes.Split(withoutProof, []byte(","))
	if err != nil || len(proof) != sha256.Size || len(fields) < 2 || !areExtensions(fields[2:]) {
		return nil, errScramSyntax
	}
	binding := base64.StdEncoding.AppendEncode([]byte("c="), s.header)
	if !bytes.Equal(fields[0], binding) || string(fields[1]) != "r="+s.nonce {
		return nil, errScram
	}
	message := make([]byte, 0, len(s.firstBare)+len(s.serverFirst)+len(withoutProof)+2)
	message = append(append(message, s.firstBare...), ',')
	message = append(append(message, s.serverFirst...), ',')
	message = append(message, withoutProof...)
	if !s.verifier.proves(message, proof) {
		return nil, errScram
	}
	reply := append([]byte("v="), base64.StdEncoding.EncodeToString(mac(s.verifier.ServerKey[:], string(message)))...)
	return reply, nil
}

// proves checks ClientProof = ClientKey XOR HMAC(StoredKey, message) (RFC 5802, 3).
func (v *verifier) proves(message, proof []byte) bool {
	h := hmac.New(sha256.New, v.StoredKey[:])
	h.Write(message)
	key := make([]byte, sha256.Size)
	subtle.XORBytes(key, proof, h.Sum(nil))
	stored := sha256.Sum256(key)
	return sameHash(&stored, &v.StoredKey)
}

// saslName decodes "=2C" and "=3D"; every other "=" is an error (RFC 5802, 5.1).
func saslName(b []byte) (string, bool) {
	if len(b) == 0 {
		return "", false
	}
	s := string(b)
	if strings.Contains(s, "=") {
		plain := strings.ReplaceAll(strings.ReplaceAll(s, "=2C", ""), "=3D", "")
		if strings.Contains(plain, "=") {
			return "", false
		}
		s = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(s)
	}
	return s, true
}

// isNonce: printable ASCII without a comma (which ended it already).
func isNonce(b []byte) bool {
	for _, c := range b {
		if c < 0x21 || c > 0x7E {
			return false
		}
	}
	return len(b) > 0
}

// areExtensions: optional "x=value" attributes, which are ignored.
func areExtensions(fields [][]byte) bool {
	for _, f := range fields {
		if len(f) < 2 || f[1] != '=' || !('a' <= f[0]|0x20 && f[0]|0x20 <= 'z') {
			return false
		}
	}
	return true
}
