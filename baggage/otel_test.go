package baggage

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
)

var (
	escape     = regexp.MustCompile("%[0-9a-fA-F]{2}")
	separators = regexp.MustCompile("[^!#$%&'*+.^_`|~0-9a-z-]+") // of tokens in lower case
)

// isOurs reports whether the name of a tag might come to be read in a member. It is
// what Read does, in plainer words.
func isOurs(member string) bool {
	member = strings.TrimLeft(member, "= \t")
	return slices.ContainsFunc([]*strings.Replacer{
		strings.NewReplacer(),
		strings.NewReplacer(" ", "", "\t", "", "+", ""),
	}, func(squeeze *strings.Replacer) bool { return hasOurs(decoded(member, squeeze.Replace)) })
}

// decoded returns member decoded as often as it can be, and put through squeeze each
// time.
func decoded(member string, squeeze func(string) string) string {
	for member = squeeze(member); escape.MatchString(member); member = squeeze(member) {
		member = escape.ReplaceAllStringFunc(member, func(e string) string {
			var c [1]byte
			for _, d := range strings.ToLower(e[1:]) {
				c[0] = c[0]<<4 | byte(strings.IndexRune("0123456789abcdef", d))
			}
			return string(c[:])
		})
	}
	return member
}

// hasOurs reports whether a token in member is the name of a tag, other than behind
// its last equals sign.
func hasOurs(member string) bool {
	if i := strings.LastIndexByte(member, '='); i >= 0 {
		member = member[:i]
	}
	return slices.ContainsFunc(separators.Split(strings.ToLower(member), -1), func(token string) bool {
		token = strings.Trim(token, "+")
		return token == "lane" || strings.HasPrefix(token, "appver")
	})
}

// FuzzOpenTelemetry checks that whatever OpenTelemetry's library reads before, it
// reads after, other members in the names of tags aside, and that it reads the tags
// first and with their values.
func FuzzOpenTelemetry(f *testing.F) {
	for _, header := range []string{
		"", ",", "a=1", "a=1,b=2", " a = 1 ; p ; q = 2 , b = %C3%A9 ", "a=1,a=2", "a", "=1", "a==1", "a=b=c", "a=\"1\"", "a=1;", "a=1;;p", "a=1;p=\"", "a=%zz", "a=%FF",
		"lane=s9,a=1", "LANE=s9", "l+ane=s9,a=1", "l%2%2B0%61ne=1", "la+nes=1", "appver-c=1;p=1,a=1", "l%61ne=1", "a=1\x00,b=2", "a=1=lane=s9,b=2", "b=%2Clane%3Ds9,a=1", "a=1;lane=s9", "a=1;p=lane;q=2,b=c", "\u00a0a=1", "a=é,b=1", "a=lane", strings.Repeat("a=1,", 100), strings.Repeat("a", 8193), strings.Repeat("a=%FF,b=1,", 500),
		"a0=1,a1=1,a2=1,a3=1,a4=1,a5=1,a6=1,a7=1,a8=1,a9=1," + strings.Repeat("x=1,", 60),
	} {
		f.Add(header, "", uint8(3))
		f.Add("b=2", header, uint8(0))
	}
	for n := 61; n < 67; n++ { // members around the limit
		var b strings.Builder
		for i := range n {
			b.WriteString("k" + strings.Repeat("k", i) + "=1,")
		}
		f.Add(b.String(), "", uint8(3))
	}
	all := []struct{ name, value string }{{"lane", "s2"}, {"appver-b", `v2 "%+,;=\é`}}
	f.Fuzz(func(t *testing.T, first, second string, which uint8) {
		if strings.ContainsFunc(first+second, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return // no HTTP header has such
		}
		r := &Rewriter{Owned: owned}
		var tags []*Member
		want := map[string]string{}
		for i, tag := range all {
			if which>>i&1 == 1 {
				tags = append(tags, NewMember(tag.name, tag.value))
				want[tag.name] = tag.value
			}
		}
		original := first + "," + second
		written, without, fits := rewrite(r, tags, first, second)
		if !fits {
			written, want = without, nil
		}
		after := original
		if written != nil {
			after = written[0]
		}
		if fits && len(tags) > 0 && len(after) > MaxBytes {
			t.Fatalf("%d bytes are written", len(after))
		}

		// Tags are first, each a member of its own.
		parts := strings.Split(after, ",")
		for i := range len(want) {
			b, err := baggage.Parse(parts[i])
			m := b.Member(tags[i].folded)
			if err != nil || m.Value() != want[m.Key()] || want[m.Key()] == "" {
				t.Fatalf("member %d of %q is %v (%v), want %s: %q", i, after, b, err, tags[i].folded, want[tags[i].folded])
			}
		}
		// All others are read as before, unless one of their name goes.
		gone := map[string]bool{}
		for p := range strings.SplitSeq(original, ",") {
			if b, err := baggage.Parse(strings.Trim(p, " \t")); err == nil && isOurs(p) {
				for _, m := range b.Members() {
					gone[m.Key()] = true
				}
			}
		}
		for _, p := range parts[len(want):] {
			if isOurs(p) {
				t.Errorf("of %q, which becomes %q, the forged %q stays", original, after, p)
			}
		}
		was, _ := baggage.Parse(original)
		is, _ := baggage.Parse(after)
		trimmed, _ := baggage.Parse(strings.Join(regexp.MustCompile(`[ \t]*,[ \t]*`).Split(strings.Trim(original, " \t"), -1), ","))
		size := len(strings.Join(parts[:len(want)], ","))
		for _, m := range was.Members() {
			size += 1 + len(m.String()) // the library encodes again, which may be longer, and counts that
		}
		if size > MaxBytes {
			return
		}
		for _, m := range was.Members() {
			if now := is.Member(m.Key()); !gone[m.Key()] && now.String() != m.String() {
				t.Errorf("of %q, which becomes %q, %q is read as %q", original, after, m, now)
			}
		}
		for _, m := range is.Members() {
			before := trimmed.Member(m.Key())
			switch value, tag := want[m.Key()]; {
			case tag && m.Value() != value:
				t.Errorf("in %q the tag %s is read as %q, want %q", after, m.Key(), m.Value(), value)
			case !tag && before.Key() == "" && len(original) <= MaxBytes && was.Len() < MaxMembers:
				t.Errorf("of %q, which becomes %q, %q is read that was not there", original, after, m)
			}
		}
	})
}
