// Package screen writes text for people: aligned tables, and text from elsewhere made
// harmless for the terminal that shows it.
//
// It hides how wide a character is, how wide the terminal is, and which characters act
// on a terminal instead of being shown. Its invariant: what Escape, Cell and Table
// write has no control character and none that changes the direction of reading, but
// for the line ends and tabs that Escape leaves.
package screen
