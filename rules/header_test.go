package rules

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestOwnedAnd checks that the headers in both are those that each contains.
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
		both := o.And(p)
		for n := range 1 << 6 { // every text of up to five letters: the digits behind the first 1
			_, name, _ := strings.Cut(fmt.Sprintf("%b", n), "1")
			name = strings.NewReplacer("0", "a", "1", "b").Replace(name)
			if got, want := both.Contains(name), o.Contains(name) && p.Contains(name); got != want {
				rt.Fatalf("%+v and %+v is %+v, whose Contains(%q) = %v, want %v", o, p, both, name, got, want)
			}
		}
		if back := p.And(o); len(back.Headers) != len(both.Headers) || len(back.Prefixes) != len(both.Prefixes) {
			rt.Fatalf("%+v and %+v is %+v, the other way round %+v", o, p, both, back)
		}
	})
}

func TestFolds(t *testing.T) {
	o := Owned{Headers: []string{"appver", "x-asm-prefer-tag", "x_y", "-odd"}, Prefixes: []string{"lane-", "plain"}}
	for name, want := range map[string]bool{
		"x_asm_prefer_tag": true, "x.asm.prefer.tag": true, "x-asm-prefer_tag": true, "x asm\xffprefer~tag": true, "x-y": true,
		"lane_a": true, "lane_": true, "lane.a-b": true, "_odd": true, "~odd": true,
		"x-asm-prefer-tag": false, "lane-a": false, "lane-": false, "x_y": false, "-odd": false, ":odd": false, // as they are; a pseudo-header
		"x_asm_prefer_tags": false, "x_asm_prefer_ta": false, "xxasm-prefer-tag": false, "x-asm-prefer-tax": false,
		"lane": false, "lanes": false, "lanea_": false, "appver": false, "app_er": false, "plain_": false, "aodd": false, "": false,
	} {
		if got := o.Folds([]byte(name)); got != want {
			t.Errorf("Folds(%q) = %v, want %v", name, got, want)
		}
	}
	name := []byte("x_asm_prefer_tag")
	if got := testing.AllocsPerRun(100, func() { o.Folds(name) }); got != 0 {
		t.Errorf("Folds allocates %v times", got)
	}
	for header, want := range map[string]bool{"content_length": true, "user.agent": true, "x_envoy_peer": true, "x_asm_prefer_tag": false, "lane": false} {
		if got := checkTagHeader(header) != ""; got != want {
			t.Errorf("checkTagHeader(%q) refuses: %v, want %v", header, got, want)
		}
	}
	for prefix, want := range map[string]bool{"x_": true, "content.": true, "grpc_x": true, "lane_": false} {
		if got := checkTagPrefix(prefix) != ""; got != want {
			t.Errorf("checkTagPrefix(%q) refuses: %v, want %v", prefix, got, want)
		}
	}
}
