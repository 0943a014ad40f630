package rules

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestPieces checks that the pieces are all buckets, and that each decides as Match does.
func TestPieces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		modulo := rapid.IntRange(1, 12).Draw(t, "modulo")
		src := fmt.Sprintf("rules:\n- header: x-user-id\n  tagHeader: x-tag\n  modulo: %d\n  policies:\n", modulo)
		for i := range rapid.IntRange(1, 5).Draw(t, "policies") {
			from := rapid.IntRange(0, modulo).Draw(t, "from")
			src += fmt.Sprintf("  - {from: %d, range: %d, tagValue: v%d}\n", from, rapid.IntRange(from, modulo).Draw(t, "range"), i%3)
		}
		table, problems := Load("rules.yaml", []byte(src), Options{})
		if table == nil {
			t.Fatal(problems)
		}
		pieces := table.Pieces(0)
		outcomes := make([]Piece, 0, modulo) // by bucket
		for i, p := range pieces {
			if i > 0 && pieces[i-1].Policy == p.Policy || p.From >= p.To || p.From != uint32(len(outcomes)) {
				t.Fatalf("%s has the pieces %+v", src, pieces)
			}
			for range p.To - p.From {
				outcomes = append(outcomes, p)
			}
		}
		if len(outcomes) != modulo {
			t.Fatalf("%s has the pieces %+v", src, pieces)
		}
		r := table.NewRequest()
		for i := range 200 {
			r.Reset()
			r.SetKey(0, fmt.Append(nil, i))
			if d := table.Match(r)[0]; d.Policy != outcomes[d.Bucket].Policy || d.Tag != outcomes[d.Bucket].Tag {
				t.Fatalf("%s has the pieces %+v, and decides %+v", src, pieces, d)
			}
		}
	})
}
