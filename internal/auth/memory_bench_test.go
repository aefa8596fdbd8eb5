package auth

import (
	"runtime"
	"testing"
)

// forgetful is a Store that keeps nothing, so that only the directory's memory counts.
type forgetful struct{}

func (forgetful) LoadDocuments(string, func(int64, []byte) error) error { return nil }
func (forgetful) PutDocuments(string, []Document) error                 { return nil }

// idleAccounts makes n accounts with a token each, below a hundred others.
func idleAccounts(t testing.TB, d *Directory, n int) {
	t.Helper()
	var parents []AccountID
	for range 100 {
		parents = append(parents, must(d.CreateAccount(Operator, AccountSpec{}, start)).ID)
	}
	for i := range n {
		a, err := d.CreateAccount(parents[i%len(parents)], AccountSpec{Name: ptr("account of a customer")}, start)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.CreateToken(a.ID, TokenSpec{TTL: ptr[int64](1e6), Info: ptr("device")}, start); err != nil {
			t.Fatal(err)
		}
	}
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkIdleAccounts measures what an account with a token costs in memory while
// nobody uses it: 1 KiB at most.
func BenchmarkIdleAccounts(b *testing.B) {
	const accounts = 100_000
	for b.Loop() {
		before := heapInUse()
		d, err := Open(Config{Start: start}, forgetful{}, nil)
		if err != nil {
			b.Fatal(err)
		}
		idleAccounts(b, d, accounts)
		b.ReportMetric(float64(heapInUse()-before)/accounts, "B/account")
		runtime.KeepAlive(d)
	}
}

// BenchmarkCreateTokens makes tokens as one array of REST does, without the store.
func BenchmarkCreateTokens(b *testing.B) {
	d, err := Open(Config{Start: start}, forgetful{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	specs := make([]TokenSpec, 1000)
	for i := range specs {
		specs[i] = TokenSpec{TTL: ptr[int64](1e6), Info: ptr("device")}
	}
	for b.Loop() {
		if _, err := d.CreateTokens(Operator, specs, start); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/token")
}
