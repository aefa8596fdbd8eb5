package broker_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"alcove/internal/auth"
	"alcove/internal/broker"
	"alcove/internal/mqtt"
	"alcove/internal/store"
)

var (
	stressSeed   = flag.Uint64("stress.seed", 0, "seed of the stress test; 0 takes several fixed ones")
	stressBursts = flag.Int("stress.bursts", 120, "bursts of each loop in one phase of the stress test")
)

const (
	stressLoops  = 4
	stressPhases = 5
)

// TestStress lets several loops, each with its own Turn and mailbox as in the
// server, play clients that behave: publishers, subscribers that stay, members
// of share groups, some that come and go, some whose token changes. They drop,
// are taken over from other loops, and live through restarts, after some of
// which the log lacks what was not durable yet. Time is synthetic, concurrency
// is not: run it with -race. What has to hold is checked where it shows: in
// peer (identifiers, answers), device (order, QoS 2) and verify.
func TestStress(t *testing.T) {
	seeds := []uint64{1, 2, 3, uint64(time.Now().UnixNano())}
	if *stressSeed != 0 {
		seeds = []uint64{*stressSeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Logf("-stress.seed=%d", seed)
			synctest.Test(t, func(t *testing.T) { newStress(t, seed).play() })
		})
	}
}

// stress is one run.
type stress struct {
	t         *testing.T
	seed      uint64
	store     *store.Store
	log       *crashLog
	directory *auth.Directory
	broker    *broker.Broker
	accounts  []auth.AccountID
	parents   []int
	devices   []*device
	loops     []*stressLoop

	clock    atomic.Int64
	progress atomic.Int64
	draining atomic.Bool
	failures atomic.Int32

	mu    sync.Mutex
	keys  map[string]string
	token map[string]auth.TokenID
	acked map[stream]map[int]bool
}

// crashLog is a log which, once dead, takes nothing more: what was appended
// later is lost, as after kill -9.
type crashLog struct {
	*store.Store
	dead atomic.Bool
}

func (l *crashLog) Append(shard int, b *broker.Batch, done func(uint64, error)) {
	if l.dead.Load() {
		go done(b.Ticket, errors.New("killed"))
		return
	}
	l.Store.Append(shard, b, done)
}

func newStress(t *testing.T, seed uint64) *stress {
	s := &stress{
		t: t, seed: seed, store: store.NewMemory(),
		keys: map[string]string{}, token: map[string]auth.TokenID{}, acked: map[stream]map[int]bool{},
		// The operator, two children, and a grandchild below the first.
		accounts: []auth.AccountID{1}, parents: []int{-1, 0, 0, 1},
	}
	s.start()
	for i := 1; i < len(s.parents); i++ {
		name := fmt.Sprint("account", i)
		a, err := s.directory.CreateAccount(s.accounts[s.parents[i]], auth.AccountSpec{Name: &name}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s.accounts = append(s.accounts, a.ID)
	}
	add := func(name string, account int, r role) *device {
		d := newDevice(name, account, r)
		s.devices = append(s.devices, d)
		return d
	}
	for i := range s.accounts {
		s.grant(fmt.Sprint("all", i), i, nil)
		for q := mqtt.QoS1; q <= mqtt.QoS2; q++ {
			d := add(fmt.Sprintf("steady%d/%d", i, q), i, steady)
			d.filter, d.qos = "#", q
			if i == 1 && q == mqtt.QoS1 {
				d.version = mqtt.V311
			}
			d = add(fmt.Sprintf("member%d/%d", i, q), i, member)
			d.filter, d.qos = workers(i), mqtt.QoS2
			add(fmt.Sprintf("pub%d", i*10+int(q)), i, publisher)
		}
		d := add(fmt.Sprintf("pub%d", i*10), i, publisher)
		d.persistent = false
		d = add(fmt.Sprintf("pub%d", i*10+3), i, publisher)
		d.version = mqtt.V311
		for k := range 2 {
			d := add(fmt.Sprintf("wild%d/%d", i, k), i, wild)
			d.persistent = k == 0
		}
		s.grant(fmt.Sprint("narrow", i), i, []string{"t/#"})
		d = add(fmt.Sprintf("narrow%d", i), i, narrow)
		d.filter, d.qos = "#", mqtt.QoS1
	}
	return s
}

// workers is the share group of an account: in every other one it is sticky, by
// publisher [EXT-SHR-4].
func workers(account int) string {
	if account%2 == 1 {
		return "$share/workers:2:1/s/#"
	}
	return "$share/workers/s/#"
}

func (s *stress) fail(format string, args ...any) {
	if s.failures.Add(1) <= 10 {
		s.t.Errorf(format, args...)
	}
}

// grant makes a token for an account: for everything, or for subscribing to
// some.
func (s *stress) grant(name string, account int, sub []string) {
	ttl := int64(10_000_000)
	spec := auth.TokenSpec{TTL: &ttl}
	if sub != nil {
		spec.Access = listed(sub)
	}
	token, key, err := s.directory.CreateToken(s.accounts[account], spec, time.Now())
	if err != nil {
		s.fail("token: %v", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[name], s.token[name] = key, token.ID
}

func listed(sub []string) *auth.Access {
	var entries []string
	for _, f := range sub {
		entries = append(entries, fmt.Sprintf(`{"uri":"mqtt","topic":%q,"actions":["subscribe"]}`, f))
	}
	return &auth.Access{Type: auth.Listed, ACL: []byte("[" + strings.Join(entries, ",") + "]")}
}

func (s *stress) key(d *device) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.role == narrow {
		return s.keys[fmt.Sprint("narrow", d.account)]
	}
	return s.keys[fmt.Sprint("all", d.account)]
}

// start starts a broker over the store.
func (s *stress) start() {
	var err error
	s.log = &crashLog{Store: s.store}
	s.directory, err = auth.Open(auth.Config{OperatorToken: strings.Repeat("k", 64)}, s.store, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.broker, err = broker.New(broker.Config{Log: s.log, Directory: s.directory})
	if err != nil {
		s.t.Fatal(err)
	}
	s.loops = nil
	for n := range stressLoops {
		s.loops = append(s.loops, &stressLoop{s: s, n: n, turn: s.broker.NewTurn(), bell: make(chan struct{}, 1)})
	}
}

// restart ends the broker with all its connections, and starts it again.
func (s *stress) restart() {
	if err := errors.Join(s.broker.Close(), s.store.Close()); err != nil && !s.log.dead.Load() {
		s.t.Fatal(err)
	}
	for _, d := range s.devices {
		d.current, d.connecting, d.cleaning = nil, 0, false
	}
	s.store = s.store.Restart()
	s.start()
}

// play runs the phases. An odd one ends in a crash.
func (s *stress) play() {
	for phase := range stressPhases {
		s.phase(phase, func() { s.settle(); s.joined() }, 0)
		crash := phase%2 == 1
		s.phase(phase+100, func() {
			if crash {
				time.Sleep(time.Duration(*stressBursts) * time.Millisecond)
				s.log.dead.Store(true)
				return
			}
			time.Sleep(time.Duration(*stressBursts) * 4 * time.Millisecond)
			s.settle()
			s.verify()
		}, *stressBursts)
		if s.failures.Load() > 0 {
			break
		}
		if phase < stressPhases-1 {
			s.restart()
		}
	}
	if s.failures.Load() == 0 {
		s.phase(1000, s.leaveAll, 0)
	}
	if err := errors.Join(s.broker.Close(), s.store.Close()); err != nil {
		s.t.Error(err)
	}
	n := 0
	for _, x := range s.acked {
		n += len(x)
	}
	s.t.Logf("%d packets, %d messages acknowledged", s.progress.Load(), n)
}

// phase runs the loops, and conduct beside them.
func (s *stress) phase(n int, conduct func(), bursts int) {
	stop := make(chan struct{})
	var done sync.WaitGroup
	s.draining.Store(bursts == 0)
	for _, l := range s.loops {
		r := rand.New(rand.NewPCG(s.seed, uint64(n*stressLoops+l.n)))
		done.Go(func() { l.run(r, bursts, stop) })
	}
	if bursts > 0 {
		done.Go(func() { s.meddle(rand.New(rand.NewPCG(s.seed, uint64(n))), bursts/3) })
	}
	conduct()
	close(stop)
	done.Wait()
}

// run plays bursts, and then only serves.
func (l *stressLoop) run(r *rand.Rand, bursts int, stop chan struct{}) {
	for range bursts {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(1+r.IntN(3)) * time.Millisecond):
		}
		for range 1 + r.IntN(5) {
			l.round(r, 1+r.IntN(8))
		}
	}
	for {
		select {
		case <-stop:
			return
		case <-l.bell:
			l.round(r, 0)
		}
	}
}

// round is one turn.
func (l *stressLoop) round(r *rand.Rand, actions int) {
	l.turn.Begin(time.Now())
	l.collect()
	for _, p := range l.peers {
		if p.connected && !p.closed {
			p.consume(r)
		}
	}
	for range actions {
		l.act(r)
	}
	l.peers = slices.DeleteFunc(l.peers, func(p *peer) bool { return p.closed && p.connected })
	l.turn.End()
}

// act does something random with a random device.
func (l *stressLoop) act(r *rand.Rand) {
	d := l.s.devices[r.IntN(len(l.s.devices))]
	d.mu.Lock()
	p := d.current
	d.mu.Unlock()
	switch {
	case p == nil:
		l.connect(d, d.role == wild && r.IntN(3) == 0, r)
		return
	case p.l != l:
		if r.IntN(20) == 0 {
			l.connect(d, d.role == wild && r.IntN(8) == 0, r) // a takeover
		}
		return
	case !p.connected || p.closed || !p.greeted:
		if r.IntN(10) == 0 && !p.closed {
			p.hangUp()
		}
		return
	}
	switch n := r.IntN(40); {
	case n == 0:
		p.hangUp()
	case n == 1 && d.role == wild:
		p.closed = true
		_ = p.link.Disconnect(l.turn, &mqtt.Disconnect{})
		p.hangUp()
	case d.role == publisher:
		for range 1 + r.IntN(4) {
			p.speak(r)
		}
	case d.role == wild && n < 20:
		filter := []string{"#", "t/#", "t/+/+", fmt.Sprintf("t/%d/#", d.account), workers(d.account), "$share/others/z/#"}[r.IntN(6)]
		qos := mqtt.QoS(r.IntN(3))
		if strings.HasSuffix(filter, "s/#") {
			// At QoS 0 and 2 what a member has been handed is lost with its
			// session, as it should be [MQTT-4.8.2-5].
			qos = mqtt.QoS1
		}
		if r.IntN(2) == 0 {
			p.subscribe(filter, qos)
		} else {
			p.unsubscribe(filter)
		}
	}
}

// meddle changes tokens and settings meanwhile.
func (s *stress) meddle(r *rand.Rand, n int) {
	for range n {
		time.Sleep(time.Duration(1+r.IntN(8)) * time.Millisecond)
		i := r.IntN(len(s.accounts))
		name := fmt.Sprint("narrow", i)
		s.mu.Lock()
		id := s.token[name]
		s.mu.Unlock()
		allowed := []string{"t/#"}
		if r.IntN(2) == 0 {
			allowed = []string{fmt.Sprintf("t/%d/#", i), "s/#"}
		}
		switch r.IntN(4) {
		case 0:
			if err := s.directory.DeleteToken(id); err != nil {
				s.fail("deleting a token: %v", err)
			}
			s.grant(name, i, allowed)
		case 1:
			how := []string{"sync", "async"}[r.IntN(2)]
			if _, err := s.directory.UpdateAccount(s.accounts[i], auth.AccountSpec{Settings: &auth.Settings{Durability: &how}}); err != nil {
				s.fail("settings: %v", err)
			}
		default:
			if _, err := s.directory.UpdateToken(id, auth.TokenSpec{Access: listed(allowed)}); err != nil {
				s.fail("changing a token: %v", err)
			}
		}
	}
}

// judge looks at what a device is about to get. Called under locks.
func (s *stress) judge(d *device, it item) {
	above := it.stream.account
	for above != d.account && above >= 0 {
		above = s.parents[above]
	}
	switch {
	case above < 0: // [EXT-ACC-1] [EXT-ACC-2]
		s.fail("%s gets a message of account %d", d.name, it.stream.account)
	case d.role == narrow && it.stream.class == 'z': // [EXT-TOK-7]
		s.fail("%s gets what its token never allowed", d.name)
	case it.stream.class != 's' && d.role == wild && !d.wants(it): // [MQTT-3.10.4-2]
		s.fail("%s gets %v %d, published after its UNSUBACK", d.name, it.stream, it.seq)
	}
}

// acknowledged notes what the broker has promised.
func (s *stress) acknowledged(d *device, it item, code mqtt.ReasonCode) {
	if code != mqtt.Success {
		if !s.log.dead.Load() {
			s.fail("%s: %v %d is answered with %#x", d.name, it.stream, it.seq, byte(code))
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acked[it.stream] == nil {
		s.acked[it.stream] = map[int]bool{}
	}
	s.acked[it.stream][it.seq] = true
}

// settle connects everybody who stays, and lets the loops work until nothing
// happens any more.
func (s *stress) settle() {
	s.draining.Store(true)
	for quiet, last := 0, int64(-1); quiet < 3; {
		for i, d := range s.devices {
			d.mu.Lock()
			absent := d.current == nil
			d.mu.Unlock()
			if absent && d.role != wild {
				l := s.loops[i%stressLoops]
				l.leave(nil, func(*broker.Turn) { l.connect(d, false, rand.New(rand.NewPCG(s.seed, uint64(i)))) })
				quiet = 0
			}
		}
		for _, l := range s.loops {
			l.ring()
		}
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		if n := s.progress.Load(); n == last {
			quiet++
		} else {
			quiet, last = 0, n
		}
	}
}

// joined checks that everybody who stays has subscribed.
func (s *stress) joined() {
	for _, d := range s.devices {
		if (d.role == steady || d.role == member) && !d.joined {
			s.fail("%s has no subscription", d.name)
		}
	}
}

// verify checks, after everything has come to rest, that nothing is missing.
func (s *stress) verify() {
	s.joined()
	attached := int64(0)
	for _, l := range s.loops {
		for _, p := range l.peers {
			if p.closed {
				continue
			}
			attached++
			if len(p.asked) > 0 {
				s.fail("%s: %d PUBLISH were never answered", p.d.name, len(p.asked))
			}
			if len(p.inflight) > 0 {
				s.fail("%s: %d identifiers are still in flight", p.d.name, len(p.inflight))
			}
		}
	}
	if n := s.broker.Stats().Attached.Load(); n != attached {
		s.fail("%d sessions are attached, Stats says %d", attached, n)
	}
	for x, seqs := range s.acked {
		for account := x.account; account >= 0; account = s.parents[account] {
			shared, owned := map[int]int{}, map[int]int{}
			for _, d := range s.devices {
				switch {
				case d.account != account:
				case d.role == steady:
					s.compare(d.name, x, seqs, d.got[x], d.qos == mqtt.QoS2)
				case x.class == 's' && (d.role == member || d.role == wild):
					for seq, n := range d.got[x] {
						shared[seq] += n
						if d.role == member {
							owned[seq] += n
						}
					}
				}
			}
			if x.class == 's' {
				who := fmt.Sprint("the workers of account ", account)
				s.compare(who, x, seqs, shared, false)
				s.compare(who, x, nil, owned, true) // [EXT-SHR-2]
			}
		}
	}
}

// compare checks one stream: all that was acknowledged is there, a QoS 2
// message once.
func (s *stress) compare(who string, x stream, acked map[int]bool, got map[int]int, once bool) {
	for _, seq := range slices.Sorted(maps.Keys(acked)) {
		if got[seq] == 0 {
			s.fail("%s: %v %d was acknowledged and is missing", who, x, seq)
		}
	}
	for seq, n := range got {
		if once && x.qos == mqtt.QoS2 && n > 1 { // [MQTT-4.3.3-10]
			s.fail("%s: %v %d came %d times", who, x, seq, n)
		}
	}
}

// leaveAll ends every session and checks that nothing is left.
func (s *stress) leaveAll() {
	s.settle()
	const dropped = 2 // this account goes with everything in it, while it is used
	gone, err := s.directory.DeleteAccount(s.accounts[dropped])
	_, lost := s.broker.DropAccounts(gone.IDs)
	if err = errors.Join(err, lost); err != nil {
		s.fail("dropping an account: %v", err)
	}
	for i, d := range s.devices {
		if d.account == dropped {
			continue
		}
		d.persistent = false
		l := s.loops[i%stressLoops]
		l.leave(nil, func(*broker.Turn) { l.connect(d, true, rand.New(rand.NewPCG(s.seed, 0))) })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		d.mu.Lock()
		p := d.current
		d.mu.Unlock()
		l.leave(nil, func(*broker.Turn) { p.hangUp() })
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	st := s.broker.Stats()
	groups, subs := s.broker.Leftovers()
	if n, m, k := st.Sessions.Load(), st.Attached.Load(), st.Subscriptions.Load(); n != 0 || m != 0 || k != 0 || groups != 0 || subs != 0 {
		s.fail("%d sessions, %d attached, %d subscriptions, %d groups, %d in the trees are left", n, m, k, groups, subs)
	}
}
