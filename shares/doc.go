// Package shares says how many users get which tag, and who moves when rules change.
//
// [Of] returns the share of each tag of each rule; [Compare] returns who moves between two
// tables, and marshals to JSON; [WriteText] writes that for people; [Counter] counts
// the people whose ids are known.
//
// # What is computed
//
// A rule gives tags to buckets, so a share is a number of buckets of a modulo. What one
// user had and gets is computed:
//   - over the same buckets, where key, hash and salt stay: a user keeps the hash, and
//     with the same modulo the bucket. Of different modulos the pairs of buckets are
//     counted that some hash has: those with the same residue modulo their greatest
//     common divisor;
//   - by products, where hash or salt differ: the one bucket says nothing about the
//     other;
//   - as a bound, where the keys differ, because only the ids know who is who.
//
// The remainder of a hash is not perfectly even. [Comparison.ErrorBound] has the bound of
// that error; where two decimals would show it, all 2^32 hashes are counted instead.
// That the hash itself is even is assumed, as with every rollout by hash.
//
// # Populations
//
// Several rules of one tag header are for different requests, by match or key. A
// Comparison is about the requests for which one rule and key decides before, and one
// after. How many of all users that is nobody can know from the rules, so every share
// is one of those users; over several Comparisons the greatest share is a bound.
// Users named by overrides are listed and in no share.
//
// The package never knows files, networks and requests, and decides nothing: what a rule
// decides for an id, [rules.Table.Decide] says.
package shares
