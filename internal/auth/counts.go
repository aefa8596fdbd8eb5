package auth

// Counts are how many items of each kind an account has.
type Counts struct {
	Tokens      int // its own
	Subaccounts int // below it, however deep
	Limits      int // limit objects of its own
}

// Counts returns how much an account has, without looking at each item.
func (d *Directory) Counts(account AccountID) Counts {
	d.index.RLock()
	defer d.index.RUnlock()
	tokens := d.index.tokens[account]
	return Counts{Tokens: tokens.len(), Subaccounts: d.index.below[account], Limits: len(d.index.limits[account])}
}

// Live returns how many sessions are online with a token now [EXT-TOK-3]; 0 for a token
// that does not exist.
func (d *Directory) Live(id TokenID) int64 {
	e := d.tokens.get(id)
	if e == nil {
		return 0
	}
	return max(0, e.live.Load())
}
