package baggage

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A library is how applications pass baggage on: the header that one of them sends
// after it was sent header.
type library func(header string) string

// libraries are those of several languages, in so far as they disagree on names.
var libraries = []library{
	// JavaScript: names are decoded and encoded.
	func(header string) string {
		return passOn(strings.Split(header, ","), func(key, value string) (string, bool) {
			name, err := url.PathUnescape(strings.TrimSpace(key))
			return url.QueryEscape(name) + "=" + value, err == nil
		})
	},
	// Python of old: plus signs are spaces, and names are written as they were decoded.
	func(header string) string {
		return passOn(regexp.MustCompile(`[ \t]*,[ \t]*`).Split(header, -1), func(key, value string) (string, bool) {
			name, err := url.QueryUnescape(strings.TrimSpace(key))
			return strings.TrimSpace(name) + "=" + value, err == nil
		})
	},
	// Python of today: they are encoded again.
	func(header string) string {
		return passOn(regexp.MustCompile(`[ \t]*,[ \t]*`).Split(header, -1), func(key, value string) (string, bool) {
			name, err := url.QueryUnescape(strings.Trim(key, " \t"))
			return url.QueryEscape(strings.TrimSpace(name)) + "=" + value, err == nil
		})
	},
	// Ruby: blanks go, wherever they are, before anything else.
	func(header string) string {
		header = strings.NewReplacer(" ", "", "\t", "").Replace(header)
		return passOn(strings.Split(header, ","), func(key, value string) (string, bool) {
			name, err := url.PathUnescape(key)
			return url.PathEscape(name) + "=" + value, err == nil
		})
	},
	// .NET: names are form-encoded, and nothing is trimmed.
	func(header string) string {
		return passOn(strings.Split(header, ","), func(key, value string) (string, bool) {
			name, err := url.QueryUnescape(key)
			return url.QueryEscape(name) + "=" + value, err == nil && name != ""
		})
	},
	// Java: what has a name that is no token is dropped; nothing is decoded.
	func(header string) string {
		return passOn(strings.Split(header, ","), func(key, value string) (string, bool) {
			key = strings.Trim(key, " \t")
			return key + "=" + value, regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$").MatchString(key)
		})
	},
	// One that knows of no properties and passes on what it does not understand.
	func(header string) string { return header },
	// Micrometer and Sleuth with Brave, and OpenTelemetry for Java of old: members are
	// split at every equals sign, each two pieces are a member, and nothing is decoded.
	func(header string) string {
		var out []string
		for entry := range strings.SplitSeq(header, ",") {
			if i := strings.IndexByte(entry, ';'); i > 0 {
				entry = entry[:i]
			}
			pieces := strings.Split(strings.TrimRight(entry, "="), "=") // Java drops empty pieces at the end
			for ; len(pieces) >= 2; pieces = pieces[2:] {
				out = append(out, javaTrim(pieces[0])+"="+javaTrim(pieces[1]))
			}
		}
		return strings.Join(out, ",")
	},
	// One that decodes values and writes them as they then are.
	func(header string) string {
		return passOn(strings.Split(header, ","), func(key, value string) (string, bool) {
			value, err := url.PathUnescape(value)
			return key + "=" + value, err == nil
		})
	},
	// One that does so with names and values, and reads plus signs as spaces.
	func(header string) string {
		return passOn(strings.Split(header, ","), func(key, value string) (string, bool) {
			name, err := url.QueryUnescape(key)
			value, errValue := url.QueryUnescape(value)
			return strings.TrimSpace(name) + "=" + strings.TrimSpace(value), err == nil && errValue == nil
		})
	},
	// One to which properties are members, as they were in early drafts of the
	// specification.
	func(header string) string {
		return passOn(strings.FieldsFunc(header, func(r rune) bool { return r == ',' || r == ';' }), func(key, value string) (string, bool) {
			return strings.TrimSpace(key) + "=" + value, true
		})
	},
}

// lossless is how many of libraries pass on values that have to be encoded.
const lossless = 7

// javaTrim is String.trim.
func javaTrim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
}

// passOn joins what pass makes of the key and the rest of each member.
func passOn(members []string, pass func(key, value string) (string, bool)) string {
	var out []string
	for _, m := range members {
		if key, value, ok := strings.Cut(m, "="); ok {
			if passed, ok := pass(key, value); ok {
				out = append(out, passed)
			}
		}
	}
	return strings.Join(out, ",")
}

// restored returns the headers that a hop makes of the members of owned names, by
// name and in their order.
func restored(header string) map[string][]string {
	headers := map[string][]string{}
	for m := range strings.SplitSeq(header, ",") {
		member, _, _ := strings.Cut(m, ";")
		key, value, _ := strings.Cut(member, "=")
		name := strings.ToLower(strings.Trim(key, " \t"))
		if name == "lane" || strings.HasPrefix(name, "appver") {
			value, err := url.PathUnescape(strings.Trim(value, " \t"))
			if err != nil {
				value = "malformed"
			}
			headers[name] = append(headers[name], value)
		}
	}
	return headers
}

// FuzzForged checks that no hop restores a header that a client forged, whichever
// libraries passed the baggage on, and that it restores what was written.
func FuzzForged(f *testing.F) {
	for _, member := range []string{
		"lane=s9", "LANE = s9", "l%61ne=s9", "l%2561ne=s9", "l%25252561ne=s9", "+lane+=s9", "l a\tne=s9", "x%2Clane=s9", "x%252clane%253Ds9=1", "x%2Clane%3Ds9%3B=1",
		"%20%6Cane=s9", "%2B%6Cane=s9", "%252B%256Cane=s9", "l%2%30ane=s9", "l+ane=s9", "l%20ane=s9", "l%2520ane=s9", "l%252Bane=s9", "a=1;lane=s9", "a=%2Clane=s9", "a=1=lane=s9", "a=1==lane=s9", "a=%2Clane%3Ds9", "a=%252Clane%253Ds9", "a=1;p=%2Clane%3Ds9", "a=1=+l%20ane+=s9", "a=1;p=2;lane=s9", "a=1%3Blane%3Ds9", ";lane=s9", "a=%3Dlane=s9", "a=1,,lane=s9", `a="1,lane=s9"`, "%2C+ lane=s9", "lane%20%20=s9", "\u00a0lane=s9", "%C2%A0lane=s9",
	} {
		f.Add("a=1,"+member+",b=2", []byte{0, 1, 2, 3, 4, 5}, true)
		f.Add(member, []byte{1, 1, 1}, false)
		f.Add(member, []byte{1, 1, 3}, true)
		f.Add("a=1,"+member, []byte{7, 8, 9, 10}, true)
		f.Add(member+",b=2", []byte{9, 7, 9, 10, 7}, false)
		f.Add(member, []byte{8, 8, 0, 7}, true)
	}
	f.Fuzz(func(t *testing.T, header string, hops []byte, tagged bool) {
		r := &Rewriter{Owned: owned}
		var tags []*Member
		want := map[string]string{}
		if tagged {
			lane := "s 2+%,;=\\\"é"
			if slices.ContainsFunc(hops, func(hop byte) bool { return int(hop)%len(libraries) >= lossless }) {
				lane = "s2"
			}
			tags = []*Member{NewMember("lane", lane), NewMember("appver-b", "v2")}
			want = map[string]string{"lane": lane, "appver-b": "v2"}
		}
		with, _, _ := rewrite(r, tags, header)
		if with != nil {
			header = with[0]
		}
		sent := header
		for i, hop := range append([]byte{6}, hops[:min(len(hops), 8)]...) {
			header = libraries[int(hop)%len(libraries)](header)
			got := restored(header)
			for name, values := range got {
				if len(values) != 1 || values[0] != want[name] {
					t.Fatalf("after %d hops %v, %q has come to %q, which restores %s: %q, want %q", i, hops, sent, header, name, values, want[name])
				}
			}
			if len(got) != len(want) {
				t.Fatalf("after %d hops %v, %q has come to %q, which restores %q, want %q", i, hops, sent, header, got, want)
			}
		}
	})
}
