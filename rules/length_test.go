package rules

import (
	"strings"
	"testing"
)

// TestMessagesAreShort checks that no problem is longer than 2 KiB, whatever is in
// the file.
func TestMessagesAreShort(t *testing.T) {
	t.Parallel()
	const good = "rules:\n- name: NAME\n  header: HEADER\n  tagHeader: TAG\n  hash: HASH\n  mode: MODE\n  salt: SALT\n  modulo: 100\n  overrides: [{values: [VALUES], tagValue: s1}]\n  policies:\n  - range: RANGE\n    tagValue: VALUE\nKEY: 1\n"
	for name, long := range map[string]string{
		"name":      strings.Repeat("a", 1<<19),
		"escaped":   `"` + strings.Repeat(`\e`, 1<<18) + `"`,
		"wide":      strings.Repeat("é", 1<<18),
		"numbers":   strings.Repeat("9", 1<<19),
		"alias":     "*" + strings.Repeat("a", 1<<19),
		"tag":       "!" + strings.Repeat("a", 1<<19) + " x",
		"anchor":    "&" + strings.Repeat("a", 1<<19) + " x",
		"verbatim":  "!<" + strings.Repeat("a", 1<<19) + "> x",
		"unclosed":  `"` + strings.Repeat("a", 1<<19),
		"directive": "x\n%" + strings.Repeat("a", 1<<19),
		"two":       strings.Repeat("a", 1<<18) + ", " + strings.Repeat("a", 1<<18),
		"deep":      strings.Repeat("[", 1<<17),
	} {
		for _, place := range []string{"NAME", "HEADER", "TAG", "HASH", "MODE", "SALT", "VALUES", "RANGE", "VALUE", "KEY", ""} {
			src := strings.Replace(good, place, long, 1)
			if place == "" {
				src = long
			}
			_, problems := Load("rules.yaml", []byte(src), Options{})
			for _, p := range problems {
				if n := len(p.String()); n > 2<<10 {
					t.Errorf("%s in the place of %q: a problem of %d bytes: %.100s…", name, place, n, p)
				}
				if n := len(p.Source); n > 2<<10 {
					t.Errorf("%s in the place of %q: a line of %d bytes", name, place, n)
				}
			}
		}
	}
}
