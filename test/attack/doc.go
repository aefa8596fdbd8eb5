// Package attack throws bad input and abuse at a real alcove.
//
// Each test is one row of the project's list of attacks and bears its number.
// What must hold is the same everywhere: the attacker gets the answer that the
// standard names or is closed, memory stays in proportion to the bytes that
// came, and everybody else is served on. Rows that measure memory have a broker
// of their own; the others share one. Repetitions are bounded, so that the
// whole package takes about a minute.
package attack
