package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// judge tells whether what a subscriber sees is right, where not every subscriber gets
// every message. It counts in the link's flow; an error is a message that should not
// have come to this subscriber. Its calls hold the cell's mutex.
type judge interface {
	see(l *link, number uint32, seq uint64, topic []byte) error
}

// errStray is a message that came to a subscriber that must not have it.
var errStray = errors.New("a message came to a subscriber that it is not for")

// orderJudge sees to order and repetition only.
type orderJudge struct{}

func (orderJudge) see(l *link, number uint32, seq uint64, _ []byte) error {
	l.flows[number].seeScattered(seq)
	return nil
}

// onceJudge takes messages in any order, each once.
type onceJudge struct{}

func (onceJudge) see(l *link, number uint32, seq uint64, _ []byte) error {
	l.flows[number].seeOnce(seq)
	return nil
}

// keyJudge: the subscriber at place i has the messages whose key is i, modulo the
// number of subscribers.
type keyJudge struct{ subs int }

func (j keyJudge) see(l *link, number uint32, seq uint64, _ []byte) error {
	l.flows[number].seeScattered(seq)
	if int(keyOf(seq))%j.subs != l.place {
		return errStray
	}
	return nil
}

// wordJudge: the subscriber at place i has the messages whose topic has one of its
// words at two levels.
type wordJudge struct{ places [2]int } // of the words in the topic

func (j wordJudge) see(l *link, number uint32, seq uint64, topic []byte) error {
	l.flows[number].seeScattered(seq)
	first, second := selectorClasses(l.place)
	a, ok1 := numberAt(topic, j.places[0])
	b, ok2 := numberAt(topic, j.places[1])
	if !ok1 || !ok2 || !first.has(a) || !second.has(b) {
		return errStray
	}
	return nil
}

// topicJudge: every topic comes once.
type topicJudge struct{ place int } // of the number in the topic

func (j topicJudge) see(l *link, number uint32, _ uint64, topic []byte) error {
	n, ok := numberAt(topic, j.place)
	if !ok {
		return errAlien
	}
	l.flows[number].seeOnce(n)
	return nil
}

// groupJudge: each message comes to one member of a share group, in order.
type groupJudge struct{ came []bitset } // by publisher

func (j *groupJudge) see(l *link, number uint32, seq uint64, _ []byte) error {
	f := &l.flows[number]
	switch {
	case !j.came[number].add(seq):
		f.received++
		f.duplicated++
	default:
		f.seeScattered(seq)
	}
	return nil
}

// stickyJudge is a groupJudge for a sticky group: a fingerprint stays on the member
// that had it first, and its messages come in order.
type stickyJudge struct {
	group  groupJudge
	place  int        // of the fingerprint in the topic
	owners []int      // by fingerprint; -1: none yet
	next   [][]uint64 // by publisher and fingerprint: the least sequence number expected
}

func newStickyJudge(pubs, fingerprints, place int) *stickyJudge {
	j := &stickyJudge{group: groupJudge{came: make([]bitset, pubs)}, place: place,
		owners: slices.Repeat([]int{-1}, fingerprints), next: make([][]uint64, pubs)}
	for i := range j.next {
		j.next[i] = make([]uint64, fingerprints)
	}
	return j
}

func (j *stickyJudge) see(l *link, number uint32, seq uint64, topic []byte) error {
	n, ok := numberAt(topic, j.place)
	if !ok || n >= uint64(len(j.owners)) {
		return errAlien
	}
	f := &l.flows[number]
	f.received++
	next := &j.next[number][n]
	switch {
	case !j.group.came[number].add(seq):
		f.duplicated++
	case seq < *next:
		f.disordered++
	default:
		*next = seq + 1
	}
	if j.owners[n] < 0 {
		j.owners[n] = l.place
	}
	if j.owners[n] != l.place {
		return fmt.Errorf("fingerprint %d has moved from member %d to %d", n, j.owners[n], l.place)
	}
	return nil
}

// placesOf returns where the numbers stand in a topic with marks.
func placesOf(topic string) (places []int) {
	for at := 0; ; {
		i := strings.Index(topic[at:], numberMark)
		if i < 0 {
			return places
		}
		places = append(places, at+i)
		at += i + len(numberMark)
	}
}

// numberAt reads the number at a place of a topic.
func numberAt(topic []byte, place int) (uint64, bool) {
	if len(topic) < place+digits {
		return 0, false
	}
	return digitsOf(topic[place : place+digits])
}
