package broker

import (
	"slices"
	"sync"
	"sync/atomic"

	"alcove/internal/auth"
	"alcove/internal/sorted"
	"alcove/internal/topic"
)

// Namespace is the private world of one account: a typed key, never a prefix of
// a topic [EXT-ACC-1].
type Namespace struct {
	b        *Broker
	account  auth.AccountID
	top      auth.AccountID
	parent   *Namespace // nil at the top
	root     *Namespace // the top one of the tree
	time     atomic.Pointer[clock]
	ahead    atomic.Int64 // stamps of the account are above it, UNIX microseconds
	settings atomic.Pointer[auth.EffectiveSettings]
	limits   atomic.Pointer[auth.EffectiveLimits]
	rate     rate // of messages in, by mqtt_messages

	tree     *topic.Tree[*Subscription]
	quota    filterQuota
	retained retained
	usage    usage

	mu       sync.Mutex
	sessions map[string]*Session  // a Client Identifier is unique per account
	ordered  sorted.Set[*Session] // those that have not ended, by OwnerID
	groups   map[groupKey]*Group
	children []*Namespace
	ended    bool
}

// namespace returns the account's namespace and makes it, with its ancestors,
// where it is missing.
func (b *Broker) namespace(account auth.AccountID) (*Namespace, bool) {
	b.mu.RLock()
	ns := b.namespaces[account]
	b.mu.RUnlock()
	if ns != nil {
		return ns, true
	}
	chain := b.directory.Ancestors(account)
	if len(chain) == 0 {
		return nil, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var parent *Namespace
	for i := len(chain) - 1; i >= 0; i-- {
		ns = b.namespaces[chain[i]]
		if ns == nil {
			ns = b.newNamespace(chain[i], chain[len(chain)-1], parent)
		}
		parent = ns
	}
	return ns, true
}

// newNamespace adds an empty namespace. Under b.mu.
func (b *Broker) newNamespace(account, top auth.AccountID, parent *Namespace) *Namespace {
	ns := &Namespace{
		b: b, account: account, top: top, parent: parent,
		tree:     topic.NewTree[*Subscription](b.features.ReservedLevel),
		sessions: make(map[string]*Session),
		groups:   make(map[groupKey]*Group),
	}
	ns.root = ns
	if parent != nil {
		ns.root = parent.root
	}
	s := b.directory.EffectiveSettings(account)
	ns.settings.Store(&s)
	ns.limit(b.directory.EffectiveLimits(account))
	b.namespaces[account] = ns
	if parent != nil {
		parent.mu.Lock()
		parent.children = append(parent.children, ns)
		parent.mu.Unlock()
	}
	return ns
}

// family appends ns and every namespace below it: those whose messages ns's
// sessions see [EXT-ACC-2].
func (ns *Namespace) family(dst []*Namespace) []*Namespace {
	first := len(dst)
	dst = append(dst, ns)
	for i := first; i < len(dst); i++ {
		dst[i].mu.Lock()
		dst = append(dst, dst[i].children...)
		dst[i].mu.Unlock()
	}
	return dst
}

// within tells whether the account is there, and is the other one or below it.
func (b *Broker) within(account, other auth.AccountID) bool {
	return slices.Contains(b.directory.Ancestors(account), other)
}

// attached returns the living connections.
func (ns *Namespace) attached() []*attachment {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	var found []*attachment
	for _, s := range ns.sessions {
		if a := s.link.Load(); a != nil {
			found = append(found, a)
		}
	}
	return found
}
