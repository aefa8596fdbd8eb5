// Package sorted holds a large set of items in order, in memory: a B+ tree made
// for tens of millions of small items.
//
// It hides how the tree is laid out and kept in balance. It knows nothing of what
// an item is: whoever asks says by a function where an item lies to what is looked
// for, so that no item has to be made up for a search.
//
// # Nouns
//
// Set; item; leaf: up to leafRoom items; branch: up to branchRoom subtrees, each
// with its least item and its number of items.
//
// # Invariants
//
// Items ascend strictly. No node but the root is empty. The least item that a
// branch notes for a subtree is the one that is in it, never one that was: so the
// set keeps nothing alive that has been removed or replaced. Items put in at the
// end leave full leaves behind; leaves that are less than a quarter full join a
// neighbour where both have room in one.
//
// Why not a B-tree from a library: their nodes are split by slicing, and what was
// in the other half stays reachable; they are half empty after items that came in
// order; and the number of items in a range is not to be had.
//
// A Set guards nothing itself: whoever owns it holds a lock.
package sorted
