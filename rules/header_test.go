package rules

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestOwnedAnd holds that the headers in both are those that each contains.
func TestOwnedAnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching("[ab]{1,4}"), 0, 3)
		draw := func(what string) Owned {
			c := compiler{file: &File{}}
			none := func(string) string { return "" }
			return Owned{
				Headers:  c.headerNames(flagValues(names.Draw(rt, what+" headers")), "header", none),
				Prefixes: c.headerNames(flagValues(names.Draw(rt, what+" prefixes")), "prefix", none),
			}
		}
		o, p := draw("one"), draw("other")
		both := o.and(p)
		for n := range 1 << 6 { // every text of up to five letters: the digits behind the first 1
			_, name, _ := strings.Cut(fmt.Sprintf("%b", n), "1")
			name = strings.NewReplacer("0", "a", "1", "b").Replace(name)
			if got, want := both.Contains(name), o.Contains(name) && p.Contains(name); got != want {
				rt.Fatalf("%+v and %+v is %+v, of which Contains(%q) = %v, want %v", o, p, both, name, got, want)
			}
		}
		if back := p.and(o); len(back.Headers) != len(both.Headers) || len(back.Prefixes) != len(both.Prefixes) {
			rt.Fatalf("%+v and %+v is %+v, the other way round %+v", o, p, both, back)
		}
	})
}
