package rules

import (
	"testing"
	"time"
)

// These cases were found by properties once.

// TestOwnedAndNestedPrefixes checks that the longer one of two prefixes that begin alike
// is what both have in common.
func TestOwnedAndNestedPrefixes(t *testing.T) {
	t.Parallel()
	short, long := Owned{Prefixes: []string{"a"}}, Owned{Prefixes: []string{"aa"}}
	for _, both := range []Owned{short.And(long), long.And(short)} {
		if both.Contains("a") || !both.Contains("aa") || !both.Contains("aab") {
			t.Errorf("%+v and %+v is %+v, want the prefix aa", short, long, both)
		}
	}
}

// TestChangesOfAnUnwrittenTag checks that the propagation of a tag that no bucket gets is
// no change where the digest says none.
func TestChangesOfAnUnwrittenTag(t *testing.T) {
	t.Parallel()
	load := func(propagated string) *Table {
		t.Helper()
		table, problems := Load("r.yaml", []byte("tagHeaders: {headers: [tag-a, tag-b]}\npropagation: {headers: ["+propagated+"]}\n"+
			"rules:\n- {name: a, header: x-user-id, tagHeader: tag-a, modulo: 50, policies: [{range: 0, tagValue: v1}]}\n"), Options{})
		if table == nil {
			t.Fatal(problems)
		}
		return table
	}
	before, after := load("none"), load("tag-a")
	there, back := Changes(before, after, time.Time{}), Changes(after, before, time.Time{})
	if same := before.Digest() == after.Digest(); same != (there == nil) || same != (back == nil) {
		t.Errorf("digests %s and %s with the changes\n%v\nand back\n%v", before.Digest(), after.Digest(), there, back)
	}
}
