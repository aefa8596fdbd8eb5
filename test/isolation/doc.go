// Package isolation proves, from outside, that nothing of one account reaches
// another [EXT-ACC-1] [EXT-ACC-2].
//
// Its test drives a real broker with random operations of many accounts, in
// trees, which use the same topics, client ids, names and groups. Whatever an
// account makes carries its *canary*, a text that nobody can guess: topics,
// payloads, user properties, client ids, groups, names, descriptions of tokens.
// Every byte that the broker sends to anybody is searched for canaries of others,
// every number that could count others is compared with a model of the account
// alone, and every answer about an id of another account with the answer about an
// id that nobody has.
//
// A run is made of worlds: a world is a few trees of accounts and a list of
// operations which a seed decides. When one fails, the same operations are tried
// again, fewer and fewer, and what is left is printed with the seed.
package isolation
