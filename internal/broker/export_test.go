package broker

// Leftovers counts what a broker without sessions must not have: share groups,
// and subscriptions in the trees.
func (b *Broker) Leftovers() (groups, subscriptions int) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, ns := range b.namespaces {
		ns.mu.Lock()
		groups += len(ns.groups)
		_, values := ns.tree.Len()
		subscriptions += values
		ns.mu.Unlock()
	}
	return groups, subscriptions
}

// HoldBulk keeps bulk deletions from going on after their first page, or lets them.
func (b *Broker) HoldBulk(hold bool) {
	for range bulkTurns {
		if hold {
			b.bulk <- struct{}{}
		} else {
			<-b.bulk
		}
	}
}

// Waiting counts what lies in the queues of share groups and what their lanes name.
func (b *Broker) Waiting() (entries, lined int) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, ns := range b.namespaces {
		ns.mu.Lock()
		for _, g := range ns.groups {
			g.mu.Lock()
			entries += g.queue.left()
			if g.sticky != nil {
				lined += g.sticky.idle.left()
			}
			for _, m := range g.members {
				lined += m.lane.left()
			}
			g.mu.Unlock()
		}
		ns.mu.Unlock()
	}
	return entries, lined
}
