package propagation

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

const (
	plain = "rules: [{header: x-user-id, tagHeader: appver-a, policies: [{range: 1, tagValue: v2}]}]\n"
	wide  = "tagHeaders: {headers: [x-lane], headerPrefixes: [appver]}\n" + plain
	moved = "propagation: {headerPrefixes: [appver]}\n" + plain
	asm   = "apiVersion: istio.alibabacloud.com/v1beta1\nkind: ASMHeaderPropagation\nmetadata: {name: p, namespace: shop}\nspec:\n"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		files    []string
		want     []*Scope
		problems []string // what each begins with
	}{
		{name: "rules", files: []string{moved}, want: []*Scope{{Name: "tagproc-propagation", Headers: rules.Owned{Headers: []string{"appver-a"}}}}},
		{
			name: "a manifest", files: []string{asm + "  workloadSelector: {labels: {app: cart, v: \"2\"}}\n  headers: [X-Lane, version, version]\n  headerPrefixes: [appver]\n"},
			want: []*Scope{{Name: "p", Namespace: "shop", Selector: map[string]string{"app": "cart", "v": "2"}, Headers: rules.Owned{Headers: []string{"version", "x-lane"}, Prefixes: []string{"appver"}}}},
		},
		{
			name: "several manifests", files: []string{asm + "  headers: [a]\n---\n" + strings.Replace(asm, "name: p", "name: q", 1) + "  headerPrefixes: [ab]\n", strings.Replace(asm, ", namespace: shop", "", 1) + "  headers: [c]\n"},
			want: []*Scope{
				{Name: "p", Namespace: "shop", Headers: rules.Owned{Headers: []string{"a"}}},
				{Name: "q", Namespace: "shop", Headers: rules.Owned{Prefixes: []string{"ab"}}},
				{Name: "p", Headers: rules.Owned{Headers: []string{"c"}}},
			},
		},
		{
			name: "of rules beside it the tag headers alone", files: []string{wide, asm + "  headers: [x-user-id]\n  headerPrefixes: [appver-, x-]\n"},
			want:     []*Scope{{Name: "p", Namespace: "shop", Headers: rules.Owned{Headers: []string{"x-lane"}, Prefixes: []string{"appver-"}}}},
			problems: []string{`f1.yaml:5:13: warning: "x-user-id" is not a tag header of the rules in f0.yaml`},
		},
		{
			name: "behind the rules, in one file", files: []string{wide + "---\n" + asm + "  headers: [x-lane]\n"},
			want: []*Scope{{Name: "p", Namespace: "shop", Headers: rules.Owned{Headers: []string{"x-lane"}}}},
		},
		{
			name: "a List", files: []string{`{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "istio.alibabacloud.com/v1beta1", "kind": "ASMHeaderPropagation", "metadata": {"name": "p"}, "spec": {"headers": ["a"]}}]}`},
			want: []*Scope{{Name: "p", Headers: rules.Owned{Headers: []string{"a"}}}},
		},
		{
			name: "others", files: []string{asm + "  headers: [a]\n  headerPrefix: bc\n  mode: fast\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n"},
			want:     []*Scope{{Name: "p", Namespace: "shop", Headers: rules.Owned{Headers: []string{"a"}, Prefixes: []string{"bc"}}}},
			problems: []string{`f0.yaml:7:3: warning: spec has the unknown key "mode", which is ignored`, "f0.yaml:10:7: warning: Service s is ignored"},
		},

		{name: "no propagation", files: []string{plain}, problems: []string{"f0.yaml:1:1: these rules propagate no tag header; add propagation"}},
		{name: "declared twice", files: []string{moved, asm + "  headers: [appver-a]\n"}, problems: []string{"f1.yaml:1:1: propagation is already declared in f0.yaml"}},
		{name: "rules twice", files: []string{moved, moved}, problems: []string{"f1.yaml:1:1: f0.yaml already has rules"}},
		{name: "bad rules", files: []string{"rules: 1\n"}, problems: []string{"f0.yaml:1:8: "}},
		{name: "nothing of the rules", files: []string{plain, asm + "  headers: [a]\n"}, problems: []string{"f1.yaml:5:3: this ASMHeaderPropagation names no header", `f1.yaml:5:13: warning: "a" is not a tag header`}},
		{name: "nothing", files: []string{"apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"}, problems: []string{"f0.yaml: nothing says what travels", "f0.yaml:2:7: warning: Service s"}},
		{name: "no spec", files: []string{strings.TrimSuffix(asm, "spec:\n")}, problems: []string{"f0.yaml:1:1: this ASMHeaderPropagation names no header"}},
		{name: "an empty spec", files: []string{asm + "  headers: []\n"}, problems: []string{"f0.yaml:5:3: this ASMHeaderPropagation names no header"}},
		{name: "another group", files: []string{strings.Replace(asm, "istio.alibabacloud.com", "example.org", 1) + "  headers: [a]\n"}, problems: []string{"f0.yaml:1:13: the apiVersion of this ASMHeaderPropagation is not one of"}},
		{name: "no names", files: []string{asm + "  headers: {a: b}\n  headerPrefixes: [[b]]\n"}, problems: []string{`f0.yaml:5:12: "headers" is a mapping; expected a list`, `f0.yaml:6:20: an element of "headerPrefixes" is a list; expected a string`}},
		{name: "no mapping", files: []string{asm + "  [a]\n"}, problems: []string{"f0.yaml:5:3: spec is a list; expected a mapping"}},
		{
			name: "headers that must not be written", files: []string{asm + "  headers: [a, host, \"a b\"]\n  headerPrefixes: [x-, \"b*\"]\n"},
			problems: []string{
				`f0.yaml:5:16: the tag header "host" must not be written`, `f0.yaml:5:22: the tag header "a b" has the character ' '`,
				`f0.yaml:6:20: the tag prefix "x-" includes x-host, which`, `f0.yaml:6:24: the tag prefix "b*" has a *`,
			},
		},
		{name: "names that do not travel", files: []string{asm + "  headers: [\"a!b\"]\n"}, problems: []string{`f0.yaml:5:13: the tag header "a!b" cannot travel as baggage`}},
		{name: "a selector that is not understood", files: []string{asm + "  headers: [a]\n  workloadSelector: {matchLabels: {app: x}}\n"}, problems: []string{`f0.yaml:6:22: workloadSelector has no key "matchLabels"`}},
		{name: "labels that are none", files: []string{asm + "  headers: [a]\n  workloadSelector: {labels: {\"a b\": x, c: [d]}}\n"}, problems: []string{`f0.yaml:6:38: "a b" is not a Kubernetes label`, `f0.yaml:6:44: "c" is not a Kubernetes label`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var docs []*source.Document
			for i, src := range c.files {
				read, problems := source.Read("f"+string(rune('0'+i))+".yaml", []byte(src))
				if len(problems) > 0 {
					t.Fatal(problems)
				}
				docs = append(docs, read...)
			}
			got, problems := Read(docs, rules.Options{})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("Read (-want +got):\n%s", diff)
			}
			var texts []string
			for _, p := range problems {
				texts = append(texts, p.String())
			}
			if !slices.EqualFunc(texts, c.problems, strings.HasPrefix) {
				t.Errorf("problems:\n%s\nwant those that begin with\n%s", strings.Join(texts, "\n"), strings.Join(c.problems, "\n"))
			}
		})
	}
}
