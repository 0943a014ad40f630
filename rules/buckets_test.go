package rules

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"testing"
)

// goldenBuckets are part of the specification: for each rule the SHA-256 of the
// buckets of user-0 to user-999999, in this order, each as four bytes, the
// highest first. They were computed without this package: for fnv1a32 with a
// transcription of the definition, for xxh3 with the reference implementation
// (PyPI's xxhash).
var goldenBuckets = []struct{ fields, want string }{
	{"hash: fnv1a32, modulo: 100", "c16a40f4b17eda6aea5957ed0f823bbe7cb7af4d942c6684432af579d34ac289"},
	{"hash: fnv1a32, modulo: 1000000", "33d2e126493de44f7a10007a2063e03df376c22c70846dfa4aa9a687ea7341f0"},
	{"hash: xxh3, modulo: 1000000", "ba55621a2e013d403cd70dec04447e900b7e5290c9aa11da5272d60033e89d5f"},
	{"hash: xxh3, modulo: 1000000, salt: spring-launch", "c9daa47d3707a0bb43f0553f02c9a098d4f2c1584f205d1e03eaa6db97cb896c"},
}

// TestMillionUsers checks that every user has the bucket that they have always
// had, and keeps it while rules with other ranges are loaded.
func TestMillionUsers(t *testing.T) {
	t.Parallel()
	const users, reload = 1_000_000, 250_000
	sums := make([]hash.Hash, len(goldenBuckets))
	for i := range sums {
		sums[i] = sha256.New()
	}
	var (
		table *Table
		r     *Request
		key   []byte
	)
	buckets := make([][]byte, len(goldenBuckets))
	for user := range users {
		if user%reload == 0 {
			src := "rules:\n"
			for i, g := range goldenBuckets {
				src += fmt.Sprintf("- {header: x-user-id, tagHeader: tag-%d, %s, policies: [{range: %d, tagValue: s2}]}\n", i, g.fields, 10*user/reload)
			}
			table = mustLoad(t, src)
			r = table.NewRequest()
		}
		key = strconv.AppendInt(append(key[:0], "user-"...), int64(user), 10)
		r.Reset()
		r.SetKey(0, key)
		for i, d := range table.Match(r) {
			buckets[i] = binary.BigEndian.AppendUint32(buckets[i], d.Bucket)
		}
		if user%1000 == 999 {
			for i := range buckets {
				sums[i].Write(buckets[i])
				buckets[i] = buckets[i][:0]
			}
		}
	}
	for i, g := range goldenBuckets {
		if got := hex.EncodeToString(sums[i].Sum(nil)); got != g.want {
			t.Errorf("%s: the buckets of %d users have the SHA-256 %s, want %s: users have moved", g.fields, users, got, g.want)
		}
	}
}
