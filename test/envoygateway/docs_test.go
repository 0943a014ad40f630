package envoygateway

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocs follows docs/where.md: its command and its HTTPRoute, as they stand there, lead
// users to their versions. With its file provider Envoy Gateway has no Services: Backends
// of the same names take their place. There it forgets the kinds of objects, too, so that
// no ReferenceGrant fits a policy: tagproc is in the Gateway's namespace.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/where.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Envoy Gateway\n")
	section, _, _ = strings.Cut(section, "\n## ")
	command := regexp.MustCompile(`(?m)^    tagproc (render envoygateway .*) \| kubectl apply -f -$`).FindStringSubmatch(section)
	route := regexp.MustCompile("(?ms)^```yaml\n(.*?\n)```$").FindStringSubmatch(section)
	if command == nil || route == nil {
		t.Fatalf("there is no command, or no HTTPRoute, in\n%s", section)
	}
	b := start(t)
	write(t, b.rules, rules)
	const there, here = " tagproc.tagproc:", " tagproc.default:"
	if !strings.Contains(command[1], there) {
		t.Fatalf("the command %s has no Service%s", command[1], there)
	}
	render := exec.Command(filepath.Join(programs, "tagproc"), strings.Fields(strings.Replace(command[1], there, here, 1))...)
	render.Dir = b.dir
	printed, err := render.Output()
	if err != nil {
		t.Fatalf("%s: %v", command[1], err)
	}
	b.serveAt(t, fmt.Sprintf("127.0.0.1:%d", tagprocPort))
	b.apply(t, gateway(), asBackends(t, string(printed)), asBackends(t, route[1]),
		backend("tagproc", "default", tagprocPort), backend("shop-v1", "default", b.versions["v1"].Port()), backend("shop-v2", "default", b.versions["v2"].Port()))
	b.expect(t, "in the canary", "v2", tag("s2"), "x-user-id: jack")
	b.expect(t, "outside of it", "v1", tag("s1"), "x-user-id: bob")
	b.expect(t, "a forged tag", "v1", tag("s1"), "x-user-id: bob", "x-asm-prefer-tag: s2")
}

// asBackends names Backends in the place of Services.
func asBackends(t *testing.T, text string) string {
	t.Helper()
	made := text
	for _, form := range [][2]string{
		{`kind: Service\n(\s+name: \S+\n\s+namespace: \S+\n)\s+port: \d+\n`, "group: gateway.envoyproxy.io\n      kind: Backend\n$1"},
		{`group: ""\n(\s+)kind: Service\n`, "group: gateway.envoyproxy.io\n${1}kind: Backend\n"},
		{`\{name: ([\w-]+), port: \d+\}`, "{group: gateway.envoyproxy.io, kind: Backend, name: $1}"},
	} {
		made = regexp.MustCompile(form[0]).ReplaceAllString(made, form[1])
	}
	if made == text || strings.Contains(made, "kind: Service\n") {
		t.Fatalf("a Service has no Backend in its place in\n%s", made)
	}
	return made
}
