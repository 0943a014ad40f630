package envoygateway

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/walkthrough"
)

// rules are those of the first walk-through, with what they may write.
const rules = `tagHeaders: {headers: [x-asm-prefer-tag]}
rules:
- header: x-user-id
  tagHeader: x-asm-prefer-tag
  policies: [{range: 20, tagValue: s2}, {range: 100, tagValue: s1}]
`

// Steps of the first walk-through.
const (
	atFirst    = "1: 20% of users to the canary lane"
	rolledBack = "1, rolled back by range 0 for s2: only the named user is left in the canary"
)

// TestEnvoyGateway takes a Gateway through the first walk-through: its users, tags that
// clients forge, an edit of the rules, and a tagproc that dies.
func TestEnvoyGateway(t *testing.T) {
	b := start(t)
	write(t, b.rules, rules)
	kill := b.serve(t)

	// Without tagproc's resources the client's tag decides.
	b.apply(t, b.surroundings())
	b.expect(t, "without tagproc", "v1", "", "x-user-id: jack")
	b.expect(t, "without tagproc, a forged tag", "v2", tag("s2"), "x-user-id: bob", "x-asm-prefer-tag: s2")

	b.apply(t, b.surroundings(), b.rendered(t))
	b.users(t, atFirst)
	b.expect(t, "a forged tag", "v1", tag("s1"), "x-user-id: bob", "x-asm-prefer-tag: s2")
	b.expect(t, "a forged tag without a user", "v1", "", "X-Asm-Prefer-Tag: s2")
	b.expect(t, "a forged tag in another spelling", "v1", tag("s1"), "x-user-id: bob", "x.asm.prefer.tag: s2")
	b.refused(t, "a forged tag with underscores", "x-user-id: bob", "x_asm_prefer_tag: s2")

	write(t, b.rules, strings.Replace(rules, "range: 20", "range: 0", 1))
	b.users(t, rolledBack)

	kill()
	b.expect(t, "tagproc is dead", "v1", "", "x-user-id: jack")
	b.expect(t, "tagproc is dead, a forged tag", "v1", "", "x-user-id: jack", "x-asm-prefer-tag: s2")

	write(t, b.rules, rules)
	kill = b.serve(t)
	b.users(t, atFirst)

	b.apply(t, b.surroundings(), b.rendered(t, "--fail-closed"))
	kill()
	eventually(t, "tagproc is dead, fail-closed", func() error {
		got, err := b.ask("x-user-id: jack")
		if err == nil && got.status != http.StatusInternalServerError {
			err = fmt.Errorf("status %d, want 500", got.status)
		}
		return err
	})
}

// TestVisitors checks that a visitor gets a cookie by which they stay where they are.
func TestVisitors(t *testing.T) {
	b := start(t)
	write(t, b.rules, `tagHeaders: {headers: [x-asm-prefer-tag]}
rules:
- name: visitors
  keys: [{visitor: {cookie: who}}]
  tagHeader: x-asm-prefer-tag
  policies: [{range: 100, tagValue: s2}]
`)
	b.serve(t)
	b.apply(t, b.surroundings(), b.rendered(t))
	b.expect(t, "a visitor", "v2", tag("s2"))
	got, err := b.ask()
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, _ := strings.Cut(got.header.Get("set-cookie"), ";")
	if !strings.HasPrefix(cookie, "who=") || got.header.Get("cache-control") != "private" {
		t.Fatalf("the response has the headers %v, want a cookie for this visitor alone", got.header)
	}
	if got, err = b.ask("cookie: " + cookie); err != nil || got.version != "v2" || len(got.header.Values("set-cookie")) > 0 || len(got.header.Values("cache-control")) > 0 {
		t.Errorf("the second request = %+v, %v, want v2 and no other cookie", got, err)
	}
}

// users waits until the users of a step reach the version that it says.
func (b *bed) users(t *testing.T, step string) {
	t.Helper()
	steps, err := walkthrough.Steps()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if s.Name != step {
			continue
		}
		for _, u := range s.Users {
			b.expect(t, step+", "+u.ID, u.Versions["mockc"], tag(u.Tags["x-asm-prefer-tag"]), "x-user-id: "+u.ID)
		}
		return
	}
	t.Fatalf("there is no step %q", step)
}

// refused checks that Envoy answers a request itself.
func (b *bed) refused(t *testing.T, what string, headers ...string) {
	t.Helper()
	got, err := b.ask(headers...)
	if err != nil || got.version != "" || got.status != http.StatusBadRequest {
		t.Errorf("%s: status %d from %q, %v; want 400 from Envoy", what, got.status, got.version, err)
	}
}

// tag returns the tags that an application saw, as bed has them.
func tag(value string) string { return fmt.Sprintf("x-asm-prefer-tag=[%s]", value) }
