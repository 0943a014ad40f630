package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
	"github.com/tagproc/tagproc/rules"
)

const threeApps = `
tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
rules:
- {header: x-user-id, tagHeader: appver-a, policies: [{range: 10, tagValue: v2}]}
- {header: x-user-id, tagHeader: appver-b, policies: [{range: 10, tagValue: v2}]}
- {header: x-user-id, tagHeader: appver-c, policies: [{range: 50, tagValue: v3}]}
`

const twoApps = `
tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
rules:
- {header: x-user-id, tagHeader: appver-a, policies: [{range: 10, tagValue: v2}]}
- {header: x-user-id, tagHeader: appver-b, policies: [{range: 10, tagValue: v2}]}
`

// TestForgedTags checks that tags which a client sends choose no route: where a policy
// matches, where none does, without a user, after the rule of the tag is deleted, and
// without tagproc. With the shipped configuration Envoy strips them before tagproc sees
// them; without that part of it, tagproc alone removes them. TestForgeries has the
// forms of forged tags.
func TestForgedTags(t *testing.T) {
	envoytest.Each(t, testForgedTags)
}

func testForgedTags(t *testing.T, envoy string) {
	t.Helper()
	t.Parallel()
	t.Run("as shipped", func(t *testing.T) { forge(t, envoy, nil) })
	t.Run("not stripped early", func(t *testing.T) { forge(t, envoy, withoutEarlyStripping(t)) })
}

// withoutEarlyStripping cuts early_header_mutation_extensions out of the
// configuration.
func withoutEarlyStripping(t *testing.T) func(string) string {
	t.Helper()
	part := regexp.MustCompile(`(?m)^( +)early_header_mutation_extensions:\n(?: +.*\n)*?\n`)
	return func(config string) string {
		edited := part.ReplaceAllString(config, "\n")
		if edited == config || strings.Contains(edited, "early_header_mutation_extensions:") {
			t.Fatal("the configuration has no early_header_mutation_extensions that end with an empty line")
		}
		return edited
	}
}

func forge(t *testing.T, envoy string, edit func(string) string) {
	t.Helper()
	dir := t.TempDir()
	socket, rulesFile := filepath.Join(dir, "tagproc.sock"), filepath.Join(dir, "rules.yaml")
	m := startMeshWith(t, mesh.Options{Binary: envoy, Tagproc: &net.UnixAddr{Name: socket, Net: "unix"}, Edit: edit})
	writeFile(t, rulesFile, []byte(threeApps))
	p := start(t, socket, rulesFile)

	forgeries := [][]string{
		nil,
		{"appver-a: v2"},
		{"appver-b: v2", "appver-c: v3"},
		{"appver-a: v1", "Appver-A: v2", "appver_a: v2"},
		{"appver-c: v3", "x-asm-prefer-tag: s2"},
	}
	users := []struct{ name, line string }{
		{"all policies match", "x-user-id: 0005"},
		{"one policy matches", "x-user-id: 0003"},
		{"no policy matches", "x-user-id: 0001"},
		{"no user", "x-other: 1"},
	}
	check := func(t *testing.T) {
		t.Helper()
		for _, u := range users {
			t.Run(u.name, func(t *testing.T) {
				honest := get(t, m, "app-a", u.line)
				for _, forged := range forgeries {
					for _, lines := range [][]string{append([]string{u.line}, forged...), append(append([]string{}, forged...), u.line)} {
						if diff := cmp.Diff(honest, get(t, m, "app-a", lines...), cmpopts.EquateEmpty()); diff != "" {
							t.Errorf("%q reached another version or saw another tag than without forgery (-honest +forged):\n%s", lines, diff)
						}
					}
				}
			})
		}
	}
	t.Run("three rules", check)

	p.replace(t, []byte(twoApps))
	p.awaitRules(t, []byte(twoApps), rules.Options{})
	t.Run("rule of appver-c deleted", check)

	p.stop(t)
	if edit != nil {
		return // nobody is left to remove them
	}
	t.Run("tagproc stopped", check)
	for _, tag := range []string{"x-asm-prefer-tag: s2", "X-ASM-PREFER-TAG: s2"} {
		if got := fmt.Sprint(get(t, m, "mocka", "x-user-id: bob", tag).Versions()); got != "map[mocka:v1 mockb:v1 mockc:v1]" {
			t.Errorf("%s without tagproc reached %s, want the baseline", tag, got)
		}
	}
}
