package isolation

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"regexp"
	"sync"
)

// mark begins every canary; the account's secret and the letter of a class follow.
const (
	mark       = "qzx7wj"
	secretSize = 10
	canarySize = len(mark) + secretSize + 1
)

// Classes of texts, by who may see them besides the account itself.
const (
	ofMessage = 'm' // topics, payloads and properties: ancestors too
	ofClient  = 'c' // client ids, groups, filters: nobody else
	ofName    = 'n' // names and metadata of accounts: ancestors too
	ofToken   = 't' // descriptions of tokens, rules, limits: nobody else
	ofGiven   = 'g' // what an account above has given itself: it stands in that one's log too
)

// account is one incarnation of an account: one that is made anew in the place
// of a deleted one is another.
type account struct {
	slot    int
	parent  *account
	secret  string
	id      string
	keys    [3]string // of a master, a standard and an ACL token
	blocked bool
}

// aviary knows whose every canary is, in all worlds of the process.
var aviary struct {
	sync.RWMutex
	owners map[string]*account
}

// hatch gives an account its secret.
func hatch(a *account, random *rand.Rand) {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, secretSize)
	for i := range b {
		b[i] = letters[random.IntN(len(letters))]
	}
	a.secret = string(b)
	aviary.Lock()
	defer aviary.Unlock()
	if aviary.owners == nil {
		aviary.owners = map[string]*account{}
	}
	aviary.owners[a.secret] = a
}

func (a *account) canary(class byte) string { return mark + a.secret + string(class) }

// within tells whether a is b or below it.
func (a *account) within(b *account) bool {
	for ; a != nil; a = a.parent {
		if a == b {
			return true
		}
	}
	return false
}

// isBlocked tells whether the account or one above it is blocked.
func (a *account) isBlocked() bool {
	for ; a != nil; a = a.parent {
		if a.blocked {
			return true
		}
	}
	return false
}

// look calls f with the owner and class of every canary in text. A canary that
// was cut within its secret has no owner, one cut behind it the class '?'.
func look(text []byte, f func(owner *account, class byte)) {
	for {
		at := bytes.Index(text, []byte(mark))
		if at < 0 {
			return
		}
		text = text[at+len(mark):]
		if len(text) < secretSize {
			return
		}
		aviary.RLock()
		owner := aviary.owners[string(text[:secretSize])]
		aviary.RUnlock()
		class := byte('?')
		if len(text) > secretSize {
			class = text[secretSize]
		}
		if owner != nil {
			f(owner, class)
		}
	}
}

var inBase64 = regexp.MustCompile(`"(?:payload_base64|correlation_data)":"([^"]*)"`)

// lookREST is look for a body of REST, where some texts stand in Base64.
func lookREST(body []byte, f func(owner *account, class byte)) {
	look(body, f)
	for _, m := range inBase64.FindAllSubmatch(body, -1) {
		if plain, err := base64.StdEncoding.DecodeString(string(m[1])); err == nil {
			look(plain, f)
		}
	}
}

// aKey finds what looks like the key of a token, which is shown once [EXT-TOK-1].
var aKey = regexp.MustCompile(`(?:^|[^A-Za-z0-9+/_])([A-Za-z0-9]{64})(?:$|[^A-Za-z0-9+/_])`)

func (a *account) String() string { return fmt.Sprintf("account %d", a.slot) }
