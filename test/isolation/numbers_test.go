package isolation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
)

// Classes of numbers that the broker gives out.
const (
	idOfAccount = 'A'
	idOfToken   = 'T'
	idOfSession = 'S'
	idOfLimit   = 'L'
)

// shortest and longest bound the digits of a number that is searched for: shorter
// ones stand everywhere by chance.
const shortest, longest = 9, 15

// owned is whose a number is.
type owned struct {
	owner *account
	class byte
}

// ledger knows whose every number is, in all worlds of the process, and who has used
// which number of others in a request: an echo of that is no leak.
var ledger struct {
	sync.RWMutex
	owners map[uint64]owned
	asked  map[*account]map[uint64]bool
}

// note enters a number that the broker has given for something of the account. One
// number for two things of two accounts tells one of them what the other has.
func (w *world) note(a *account, class byte, id string) {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil || len(id) < shortest {
		return
	}
	ledger.Lock()
	defer ledger.Unlock()
	if ledger.owners == nil {
		ledger.owners = map[uint64]owned{}
	}
	if old, ok := ledger.owners[n]; ok && old != (owned{a, class}) {
		w.failf("%s is %c of %v and %c of %v", id, old.class, old.owner, class, a)
	}
	ledger.owners[n] = owned{a, class}
}

// asks tells that the account uses a number of somebody else, which it, and in logs and
// messages those above it, may then see again. It returns the number.
func asks(a *account, id string) string {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return id
	}
	ledger.Lock()
	defer ledger.Unlock()
	if ledger.asked == nil {
		ledger.asked = map[*account]map[uint64]bool{}
	}
	for ; a != nil; a = a.parent {
		if ledger.asked[a] == nil {
			ledger.asked[a] = map[uint64]bool{}
		}
		ledger.asked[a][n] = true
	}
	return id
}

// numbers calls f with every number in text that belongs to an account which a may know
// nothing of, and with where it stands. The account above is known by `cid` [EXT-ACC-4].
func numbers(a *account, text []byte, f func(o owned, at int)) {
	ledger.RLock()
	defer ledger.RUnlock()
	for i := 0; i < len(text); i++ {
		first, n := i, uint64(0)
		for i < len(text) && text[i]-'0' <= 9 {
			n = n*10 + uint64(text[i]-'0')
			i++
		}
		if size := i - first; size < shortest || size > longest {
			continue
		}
		o, ok := ledger.owners[n]
		if !ok {
			continue
		}
		above := o.class == idOfAccount && o.owner == a.parent
		customer := o.class == idOfAccount && o.owner.parent == nil && a.id == "1" // the operator has made it [EXT-ACC-3]
		if o.owner.within(a) || above || customer || ledger.asked[a][n] {
			continue
		}
		f(o, first)
	}
}

// items takes the numbers of what an answer lists of account a, and sees that all of it
// is a's.
func (w *world) items(a *account, what string, body []byte) {
	var parsed struct{ Result []map[string]any }
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&parsed) != nil {
		return
	}
	for _, item := range parsed.Result {
		class := byte(0)
		switch {
		case item["access"] != nil:
			class = idOfToken
		case item["keep_alive"] != nil:
			class = idOfSession
		case item["api_traffic"] != nil && item["description"] != nil:
			class = idOfLimit
		default:
			continue
		}
		if cid := fmt.Sprint(item["cid"]); cid != a.id {
			w.failf("%s lists something of account %s for %v, whose id is %s: %v", what, cid, a, a.id, item)
		}
		w.note(a, class, fmt.Sprint(item["id"]))
	}
}
