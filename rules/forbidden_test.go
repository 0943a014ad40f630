package rules

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestForbiddenTags checks that no rule writes a header of the list in docs/rules.md, nor
// one that begins as such a header does, and that the list there is the whole list.
func TestForbiddenTags(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### Headers that no tag is written to\n")
	section, _, _ = strings.Cut(section, "\n#")
	var documented []string
	for _, row := range regexp.MustCompile(`(?m)^\| .*`).FindAllString(section, -1) {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row, -1) {
			documented = append(documented, m[1])
		}
	}
	var listed []string
	for _, group := range forbiddenTags {
		listed = append(listed, group...)
	}
	if !slices.Equal(slices.Sorted(slices.Values(documented)), slices.Sorted(slices.Values(listed))) {
		t.Errorf("docs/rules.md lists %q, want %q", documented, listed)
	}
	for _, entry := range documented {
		name, begins := strings.CutSuffix(entry, "*")
		names := []string{name}
		if begins {
			names = []string{name + "x", strings.ToUpper(name) + "Y-z"}
		}
		for _, name := range names {
			src := "rules:\n- {header: k, tagHeader: " + name + ", policies: [{range: 1, tagValue: s}]}\n"
			table, problems := Load("rules.yaml", []byte(src), Options{})
			if table != nil || len(problems) != 1 || problems[0].Kind != KindForbiddenHeader {
				t.Errorf("the tagHeader %s: %v, want one problem of the kind %s", name, problems, KindForbiddenHeader)
			}
		}
	}
	for _, name := range []string{"x-asm-prefer-tag", "appver-a", "x-lane", "x-user-id", "x-original", "remote", "x-client", "acceptable", "x-hosts"} {
		if wrong := checkTagHeader(name); wrong != "" {
			t.Errorf("the tag header %s %s, want it allowed", name, wrong)
		}
	}
	for prefix, want := range map[string]string{"appver": "", "x-a": "x-accel-*", "x-auth-request-user": "x-auth-request-*", "remote-u": "remote-user", "x-asm-": "", "x-real-i": "x-real-ip"} {
		if got := checkTagPrefix(prefix); got != want {
			t.Errorf("the prefix %s includes %q, want %q", prefix, got, want)
		}
	}
}
