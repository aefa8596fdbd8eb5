package bench

import (
	"context"
	"errors"
	"fmt"
)

// sizes returns those of a scenario's steps that are below its largest, and that.
func sizes(largest int, steps ...int) (all []int) {
	for _, n := range steps {
		if n < largest {
			all = append(all, n)
		}
	}
	return append(all, largest)
}

// step drives the cells of one size and adds what a message cost to the result.
func (r *run) step(ctx context.Context, n int, cells []*cell, res *Result) error {
	res.Rates = Rates{} // one that is not measured must not keep the last size's
	if err := r.drive(ctx, cells, res); err != nil {
		return fmt.Errorf("with %d %s: %w", n, res.SeriesOf, err)
	}
	res.Points = append(res.Points, Point{n, res.CPUPerMsg})
	return nil
}

// measureManyConnections spreads traffic over more and more connections. Every publisher
// has one write under way: with more, few connections would fill a read of the broker's
// with many writes, and many could not.
func measureManyConnections(ctx context.Context, r *run, res *Result) error {
	res.SeriesOf = "connections"
	for _, n := range sizes(r.cfg.Connections, 10, 100, 1000) {
		r.cfg.Connections = n
		cells, err := r.build(ctx)
		if err != nil {
			return err
		}
		if err := r.step(ctx, n, cells, res); err != nil {
			return err
		}
	}
	return nil
}

// measureManySubscriptions publishes to random topics among more and more exact
// subscriptions, which the same few connections have, so that neither the receivers nor
// their shares of a write change.
func measureManySubscriptions(ctx context.Context, r *run, res *Result) error {
	res.SeriesOf = "subscriptions"
	pubs := max(1, r.cfg.Connections/2)
	r.cfg.Connections -= pubs
	for _, n := range sizes(r.cfg.Count, 10, 1000, 100_000) {
		r.cfg.Count = n
		topic, s, fan := r.scattered(false)
		c, err := r.assemble(ctx, r.filters(false), pubs, topic)
		if err != nil {
			return err
		}
		s.locate(c.pubs[0].tmpl)
		c.scatter, c.judge, c.fan = s, orderJudge{}, fan
		if err := r.step(ctx, n, []*cell{c}, res); err != nil {
			return err
		}
	}
	return nil
}

// measureManyAccounts spreads the same connections over more and more accounts. Each
// publishes to itself: so there can be as many accounts as connections.
func measureManyAccounts(ctx context.Context, r *run, res *Result) (err error) {
	if r.cfg.REST == nil {
		return errNoREST
	}
	res.SeriesOf = "accounts"
	var ids []int64
	var tokens []string
	defer func() { err = errors.Join(err, r.dismiss(context.WithoutCancel(ctx), ids)) }()
	for _, n := range sizes(min(r.cfg.Count, r.cfg.Connections), 1, 10, 100, 1000) {
		err := r.customers(ctx, n-len(ids), func(t tenant) {
			ids, tokens = append(ids, t.ID), append(tokens, t.Token.Key)
		})
		if err != nil {
			return err
		}
		cells, err := r.mirrors(ctx, tokens)
		if err != nil {
			return err
		}
		if err := r.step(ctx, n, cells, res); err != nil {
			return err
		}
	}
	return nil
}

// mirrors opens connections that publish to themselves, dealt to the accounts of the
// tokens.
func (r *run) mirrors(ctx context.Context, tokens []string) ([]*cell, error) {
	greetings := make([]hello, r.cfg.Connections)
	for i := range greetings {
		greetings[i] = hello{id: r.clientID(), token: tokens[i%len(tokens)], clean: true, filters: []string{r.topic(i)}, qos: r.qos()}
	}
	conns, err := r.open(ctx, greetings)
	if err != nil {
		return nil, err
	}
	cells := make([]*cell, len(conns))
	for i, conn := range conns {
		c := r.newCell()
		c.pace.share = len(conns)
		c.mirror(conn, newTemplate(r.cfg.Version, r.topic(i), c.qos, r.cfg.Payload, r.cfg.Batch), i)
		cells[i] = c
	}
	return cells, nil
}
