package bench

import (
	"context"
	"fmt"
	"strings"
)

// measurePairs runs pairs whose subscribers have one expression each, which lets
// everything pass.
func measurePairs(ctx context.Context, r *run, res *Result) error {
	cells, err := r.buildWith(ctx, func(topic string) string { return "$filter/payload=position.speed>80/" + topic })
	if err != nil {
		return err
	}
	return r.drive(ctx, cells, res)
}

// measureFilters runs publishers on one topic against subscribers with one expression
// each, of which a message meets one.
func measureFilters(ctx context.Context, r *run, res *Result) error {
	if r.cfg.Count != filterKeys {
		return fmt.Errorf("the number of expressions is %d", filterKeys)
	}
	topic := r.topic(0)
	subs := make([]hello, r.cfg.Count)
	for i := range subs {
		filter := fmt.Sprintf("$filter/payload=key==1%0*d/%s", keyDigits, i, topic)
		subs[i] = hello{id: r.clientID(), clean: true, filters: []string{filter}}
	}
	c, err := r.assemble(ctx, subs, r.cfg.Connections, topic)
	if err != nil {
		return err
	}
	c.judge, c.fan = keyJudge{len(subs)}, 1
	res.Connections = len(subs) + r.cfg.Connections
	return r.drive(ctx, []*cell{c}, res)
}

// assemble makes a cell of the given subscribers and a number of publishers, whose
// topic may have marks for numbers.
func (r *run) assemble(ctx context.Context, subs []hello, pubs int, topic string) (*cell, error) {
	greetings := subs
	for range pubs {
		greetings = append(greetings, hello{id: r.clientID(), clean: true})
	}
	conns, err := r.open(ctx, greetings)
	if err != nil {
		return nil, err
	}
	c := r.newCell()
	c.pace.share = pubs
	for _, conn := range conns[:len(subs)] {
		c.join(conn, pubs)
	}
	for i, conn := range conns[len(subs):] {
		tmpl := c.form.template(r.cfg.Version, topic, c.qos, r.cfg.Payload, r.cfg.Batch)
		c.enter(conn, tmpl, i)
	}
	return c, nil
}

// Selectors: a word of a level is a number. A subscription has those of one of
// selectorSide classes at the first level and of one at the second, selectorWords
// each. selectorSide² subscriptions make a layer, of which every topic meets one.
const (
	selectorWords = 1000
	selectorSide  = 5
	selectorRange = selectorWords * selectorSide
)

// wordClass is a set of words: those that have one remainder, by a rule that differs
// between layers.
type wordClass struct{ layer, remainder uint64 }

func (w wordClass) has(word uint64) bool {
	return (word+w.layer*(word/selectorSide))%selectorSide == w.remainder
}

// list writes the words with commas.
func (w wordClass) list() string {
	var b strings.Builder
	for word := range uint64(selectorRange) {
		if w.has(word) {
			fmt.Fprintf(&b, ",%0*d", digits, word)
		}
	}
	return b.String()[1:]
}

// selectorClasses returns the words of subscription i at both levels.
func selectorClasses(i int) (first, second wordClass) {
	layer, n := uint64(i/(selectorSide*selectorSide)), uint64(i%(selectorSide*selectorSide))
	return wordClass{layer, n % selectorSide}, wordClass{layer, n / selectorSide}
}

// measureSelectors publishes to random topics among subscriptions with a thousand
// words at each of two levels.
func measureSelectors(ctx context.Context, r *run, res *Result) error {
	layers := r.cfg.Connections / (selectorSide * selectorSide)
	if layers == 0 {
		return fmt.Errorf("at least %d connections are needed", selectorSide*selectorSide)
	}
	prefix := "bench/" + r.name
	subs := make([]hello, layers*selectorSide*selectorSide)
	for i := range subs {
		first, second := selectorClasses(i)
		subs[i] = hello{id: r.clientID(), clean: true, filters: []string{prefix + "/" + first.list() + "/" + second.list()}}
	}
	topic := prefix + "/" + numberMark + "/" + numberMark
	c, err := r.assemble(ctx, subs, 1, topic)
	if err != nil {
		return err
	}
	places := placesOf(topic)
	c.judge, c.fan = wordJudge{[2]int{places[0], places[1]}}, uint64(layers)
	c.scatter = &scatter{digits: digits, count: selectorRange}
	c.scatter.locate(c.pubs[0].tmpl)
	res.Connections, res.Count = len(subs)+1, len(subs)
	return r.drive(ctx, []*cell{c}, res)
}

// measureGroup runs publishers against the members of one share group, with as many
// topics as there are fingerprints.
func measureGroup(ctx context.Context, r *run, res *Result) error {
	members := max(1, r.cfg.Connections/2)
	pubs := max(1, r.cfg.Connections-members)
	group := r.name
	if r.s.sticky {
		group += ":2:1" // the third word of the topic [EXT-SHR-4]
	}
	topic := fmt.Sprintf("bench/%s/%s/value", r.name, numberMark)
	subs := make([]hello, members)
	for i := range subs {
		subs[i] = hello{id: r.clientID(), clean: true, qos: r.qos(),
			filters: []string{fmt.Sprintf("$share/%s/bench/%s/+/value", group, r.name)}}
	}
	c, err := r.assemble(ctx, subs, pubs, topic)
	if err != nil {
		return err
	}
	c.scatter = &scatter{digits: digits, count: uint32(r.cfg.Count)}
	c.scatter.locate(c.pubs[0].tmpl)
	c.fan = 1
	if r.s.sticky {
		c.judge = newStickyJudge(pubs, r.cfg.Count, placesOf(topic)[0])
	} else {
		c.judge = &groupJudge{came: make([]bitset, pubs)}
	}
	res.Connections = members + pubs
	return r.drive(ctx, []*cell{c}, res)
}
