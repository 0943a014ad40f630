package lanes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/tagproc/tagproc/source"
)

// TestBothForms checks that the first document is the same group and the same
// resources in both forms, and that its tables fit in fewer than 20 lines.
func TestBothForms(t *testing.T) {
	t.Parallel()
	short, notes, problems := Read(read(t, "testdata/ok/first-document.yaml"))
	asm, asmNotes, asmProblems := Read(read(t, "testdata/ok/asm-first-document.yaml"))
	if len(problems) > 0 || len(asmProblems) > 0 {
		t.Fatalf("Read: %v, %v", problems, asmProblems)
	}
	if diff := cmp.Diff(asm, short, protocmp.Transform()); diff != "" {
		t.Errorf("the lanes file is another group (-manifests +lanes file):\n%s", diff)
	}
	if diff := cmp.Diff(rendered(t, asm, Options{}), rendered(t, short, Options{})); diff != "" {
		t.Errorf("the lanes file makes other resources (-manifests +lanes file):\n%s", diff)
	}
	if len(notes) != 1 || len(asmNotes) != 1 || notes[0].Message != asmNotes[0].Message {
		t.Errorf("notes = %v and %v, want the same one", notes, asmNotes)
	}
	src, err := os.ReadFile("testdata/ok/first-document.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(src), "\n"); n >= 20 {
		t.Errorf("the lanes file has %d lines, want fewer than 20", n)
	}
}

// TestRuleBased checks that both spellings of the strategy, that of the resource and that
// of the API, are what a group has that says nothing.
func TestRuleBased(t *testing.T) {
	t.Parallel()
	const file = "testdata/ok/asm-first-document.yaml"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	silent, _, _ := Read(read(t, file))
	want := rendered(t, silent, Options{})
	for _, spelling := range []string{"rule_based", "rule-based"} {
		said := strings.Replace(string(src), "\n  ingress:\n", "\n  ingress:\n    ingressRouting: {ingressRoutingStrategy: "+spelling+"}\n", 1)
		docs, problems := source.Read("asm.yaml", []byte(said))
		if problems.Err() != nil || said == string(src) {
			t.Fatalf("%v in\n%s", problems, said)
		}
		got, _, problems := Read(docs)
		if len(problems) > 0 {
			t.Fatalf("%s: Read: %v", spelling, problems)
		}
		if diff := cmp.Diff(want, rendered(t, got, Options{})); diff != "" {
			t.Errorf("%s makes other resources (-silent +said):\n%s", spelling, diff)
		}
	}
}

// TestAnyOrder checks that manifests may come in several files and any order, and
// with a WasmPlugin that fits.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	docs := read(t, "testdata/ok/asm-first-document.yaml", "../../internal/walkthrough/testdata/1-hash-tagging.wasmplugin.yaml")
	group, s1, s2, plugin := docs[0], docs[1], docs[2], docs[3]
	groups, _, _ := Read(docs)
	want := rendered(t, groups, Options{})
	for _, docs := range [][]*source.Document{{s1, s2, group, plugin}, {plugin, s1, group, s2}, {s1, plugin, s2, group}} {
		got, _, problems := Read(docs)
		if len(problems) > 0 {
			t.Fatalf("Read: %v", problems)
		}
		if diff := cmp.Diff(want, rendered(t, got, Options{})); diff != "" {
			t.Errorf("in another order (-want +got):\n%s", diff)
		}
	}
}

// TestOldestIsBaseline checks that of lanes without a fallbackTarget the oldest is the
// baseline, although kubectl lists by name.
func TestOldestIsBaseline(t *testing.T) {
	t.Parallel()
	group := "apiVersion: istio.alibabacloud.com/v1\nkind: ASMSwimLaneGroup\nmetadata: {name: g}\nspec:\n  services: [{name: a, namespace: default}]\n" +
		"  isPermissive: true\n  permissiveModeConfiguration: {routeHeader: x-lane}\n"
	lane := "---\napiVersion: istio.alibabacloud.com/v1\nkind: ASMSwimLane\nmetadata: {name: %s, labels: {swimlane-group: g}, creationTimestamp: %q}\nspec:\n" +
		"  labelSelector: {lane: %s}\n  services: [{name: a, namespace: default}]\n"
	for _, c := range []struct{ blue, green, want string }{
		{"2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z", "green"},
		{"2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "blue"},
		{"", "2026-01-01T00:00:00Z", "blue"}, // the order of the file
	} {
		src := group + fmt.Sprintf(lane, "blue", c.blue, "blue") + fmt.Sprintf(lane, "green", c.green, "green")
		groups, _, problems := Read(documents(t, "f.yaml", []byte(src)))
		if problems.Err() != nil {
			t.Fatal(problems.Err())
		}
		if groups[0].Baseline != c.want {
			t.Errorf("the baseline of blue from %q and green from %q = %s, want %s", c.blue, c.green, groups[0].Baseline, c.want)
		}
	}
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	head := "laneGroup: g\ngateway: a/b\nrouteHeader: x-lane\n"
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, c := range []struct{ name, src, want string }{
		{"services", head + "services: [" + many("s%d, ", maxServices+1) + "]\nlanes:\n- {name: a, labels: {a: b}}\n", "1001 services; the most is 1000"},
		{"lanes", head + "services: [a]\nlanes:\n" + many("- {name: s%d, labels: {a: b}}\n", maxLanes+1), "101 lanes; the most is 100"},
		{"matches", head + "services: [a]\nlanes:\n- {name: s1, labels: {a: b}}\nnamed:\n- {header: x, lane: s1, values: [" + many(`"%d", `, maxRules+1) + "]}\ningress:\n- service: a\n- {service: a, hosts: [a]}\n", "more than 10000 matches"},
		{"keys", head + "services: [a]\nlanes:\n- {name: s1, labels: {" + many("a%d: b, ", 1001) + "}}\n", "more than 1000 keys"},
		{"problems", head + "services: [" + many("S%d, ", 999) + "]\nlanes:\n" + many("- {name: S%d}\n", 99), "more than 1000 errors"},
	} {
		groups, _, problems := Read(documents(t, "f.yaml", []byte(c.src)))
		if groups != nil || !strings.Contains(fmt.Sprint(problems.Err()), c.want) {
			t.Errorf("too many %s: Read = %v, %.300v; want the problem %q", c.name, groups, problems, c.want)
		}
	}
}

// FuzzRead checks that what is read can be rendered, or is refused with words.
func FuzzRead(f *testing.F) {
	for _, pattern := range []string{"testdata/ok/*.yaml", "testdata/err/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%d files for %s (%v)", len(files), pattern, err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			if len(src) < 4096 { // else each try takes as long
				f.Add(src)
			}
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		docs, unreadable := source.Read("f.yaml", src)
		if unreadable.Err() != nil {
			return
		}
		groups, notes, problems := Read(docs)
		if (groups == nil) != (problems.Err() != nil) {
			t.Fatalf("Read = %d groups with the problems %v", len(groups), problems)
		}
		for _, p := range problems {
			if p.Message == "" || p.Kind == "" {
				t.Errorf("a problem says nothing: %+v", p)
			}
		}
		for _, n := range notes {
			if n.Message == "" {
				t.Errorf("a note says nothing: %v", n)
			}
		}
		text := rendered(t, groups, Options{GatewaySelector: map[string]string{"a": "b"}})
		if _, problems := source.Read("rendered.yaml", []byte(text)); len(problems) > 0 {
			t.Errorf("what is rendered cannot be read: %v\n%s", problems, text)
		}
	})
}

// TestClaims checks that the name of a token's claim keeps its case, unlike a header's.
func TestClaims(t *testing.T) {
	t.Parallel()
	const src = "laneGroup: shop\ngateway: istio-system/g\nrouteHeader: x-lane\nservices: [front]\nlanes: [{name: s1, labels: {lane: s1}}]\n" +
		"ingress: [{service: front, match: {headers: {\"@request.auth.claims.Group\": {exact: Staff}, X-Any: {exact: a}}}}]\n"
	groups, _, problems := Read(documents(t, "f.yaml", []byte(src)))
	if problems.Err() != nil {
		t.Fatal(problems.Err())
	}
	headers := groups[0].Rules[0].Matches[0].Headers
	if headers["@request.auth.claims.Group"] == nil || headers["x-any"] == nil {
		t.Errorf("the match has the headers %v, want the claim as it is written and x-any", headers)
	}
}
