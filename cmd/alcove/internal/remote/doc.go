// Package remote asks a broker's REST interface in the name of a token.
//
// It hides where the token comes from, how an answer is read item by item, however
// long it is, and how lists are paged. Its nouns: a Remote is a broker and who asks it;
// a Request is one question; Faults are the errors of an answer, which may stand beside
// items that were answered [EXT-REST-1]. Its invariant: neither an error nor anything
// else that it returns holds the token.
package remote
