package rules

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestDecide checks that Decide is what Match decides for a rule that is alone, and that
// Pieces and Span agree with both.
func TestDecide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(0, 40).Draw(t, "from")
		src := fmt.Sprintf(`rules: [{keys: [{header: x-user-id}, {cookie: uid}], tagHeader: t, hash: %s, modulo: 50,
			overrides: [{key: {cookie: uid}, values: [a], none: true}, {values: [b], tagValue: z}],
			policies: [{from: %d, range: %d, tagValue: x}, {range: %d, tagValue: y}]}]`,
			rapid.SampledFrom([]string{"fnv1a32", "xxh3"}).Draw(t, "hash"), from, rapid.IntRange(from, 50).Draw(t, "to"), rapid.IntRange(0, 50).Draw(t, "range"))
		table, problems := Load("r.yaml", []byte(src), Options{})
		if table == nil {
			t.Fatal(problems.Err())
		}
		id := []byte(rapid.SampledFrom([]string{"", " ", "a", "b", " b\t", "c", "d e"}).Draw(t, "id"))
		for key := range 2 {
			r := table.NewRequest()
			r.SetKey(table.KeyIndex(0, key), id)
			want, got := table.Match(r)[0], table.Decide(0, key, id)
			if got != want {
				t.Fatalf("Decide(0, %d, %q) = %+v, Match says %+v", key, id, got, want)
			}
			if got.Reason != ReasonPolicy && got.Reason != ReasonNoPolicy {
				continue
			}
			for _, p := range table.Pieces(0) {
				if in := p.From <= got.Bucket && got.Bucket < p.To; in && (p.Tag != got.Tag || p.Policy != got.Policy) {
					t.Fatalf("bucket %d is in %+v, and decided as %+v", got.Bucket, p, got)
				}
			}
		}
	})
}
