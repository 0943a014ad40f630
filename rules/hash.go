package rules

import (
	"hash/fnv"

	"github.com/zeebo/xxh3"
)

// Hash is a function from a key's bytes to a number, whose remainder is the bucket.
// The functions and their parameters are fixed for ever: a change
// would move users.
type Hash uint8

// The hashes of the language.
const (
	// FNV1a32 is 32-bit FNV-1a, the hash of the Hash tagging plug-in: a migrated
	// user stays in the same bucket. It takes no salt.
	FNV1a32 Hash = iota
	// XXH3 is the 64-bit XXH3, seeded with the XXH3 of the salt, or with 0.
	XXH3
)

var hashNames = []string{FNV1a32: "fnv1a32", XXH3: "xxh3"}

// String returns the name that rules files use.
func (h Hash) String() string { return hashNames[h] }

// Seed returns what a salt adds to the hash: nothing to FNV1a32.
func (h Hash) Seed(salt string) uint64 {
	if h != XXH3 || salt == "" {
		return 0
	}
	return xxh3.HashString(salt)
}

// Bucket returns the bucket of key, 0 to below modulo, which is at least 1. A salt counts
// for XXH3 alone.
func (h Hash) Bucket(key []byte, salt string, modulo uint32) uint32 {
	return uint32(h.sum(key, h.Seed(salt)) % uint64(modulo))
}

// sum returns the hash of key. The upper 32 bits of fnv1a32 are zero.
func (h Hash) sum(key []byte, seed uint64) uint64 {
	if h == XXH3 {
		return xxh3.HashSeed(key, seed)
	}
	f := fnv.New32a()
	f.Write(key)
	return uint64(f.Sum32())
}
