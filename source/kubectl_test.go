package source

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"
)

// TestMeansAsKubectl compares what objects mean with what kubectl's own reader makes of
// them.
func TestMeansAsKubectl(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"a: [y, Y, yes, Yes, YES, on, On, ON, n, N, no, No, NO, off, Off, OFF, true, True, false, yEs, oN]",
		`a: ["on", 'yes', !!str on, "<<", yesterday]`,
		"a: |\n  on\nb: >-\n  yes\n",
		"base: &b {x: 1, y: 2, on1: on}\na: {<<: *b, x: 3}\nb: {x: 3, <<: *b}\n",
		"one: &one {x: 1, y: 1}\ntwo: &two {y: 2, z: 2}\na: {<<: [*one, *two], w: 0}\nb: {<<: [*two, *one], z: 5}\n",
		"a: {<<: {x: 1, y: {<<: {z: 1}}}}\n",
		"base: &b {x: on}\nmore: &m {<<: *b, y: 1}\na: {<<: *m}\n",
		`a: {"<<": {x: 1}}`,
		"a: {<<: {}}\n",
		"x: &x [1, 2]\na: *x\nb: {<<: {l: *x}, l: no}\n",
	} {
		src = "kind: Thing\nmetadata: {name: a}\n" + src
		text, err := yaml.YAMLToJSON([]byte(src))
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		docs, problems := Read("f", []byte(src))
		if problems.Err() != nil || len(docs) != 1 {
			t.Errorf("%s: %v", src, problems)
			continue
		}
		var got structpb.Struct
		if faults := docs[0].Message(&got); faults != nil {
			t.Errorf("%s: %v", src, faults.Err())
		}
		var want map[string]any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.AsMap()); diff != "" {
			t.Errorf("%s means (-kubectl +tagproc)\n%s", src, diff)
		}
	}
}

// TestMergeOfMany checks that merge keys of merge keys take no memory.
func TestMergeOfMany(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("kind: Thing\nmetadata: {name: a}\nbase: &b {")
	for i := range 10_000 {
		fmt.Fprintf(&b, "k%d: 0, ", i)
	}
	b.WriteString("}\nlist:\n" + strings.Repeat("- {<<: *b}\n", 10_000))
	_, problems := Read("f", []byte(b.String()))
	if len(problems) == 0 || problems[0].Kind != KindAliases {
		t.Errorf("problems are %v, want one of kind %s", problems, KindAliases)
	}
}

// TestMergeOfText checks that what kubectl refuses is an error.
func TestMergeOfText(t *testing.T) {
	t.Parallel()
	const src = "kind: Thing\nmetadata: {name: a}\nspec: {<<: text, x: 1}\n"
	if _, err := yaml.YAMLToJSON([]byte(src)); err == nil {
		t.Fatal("kubectl's reader takes it")
	}
	if _, problems := Read("f", []byte(src)); len(problems) != 1 || problems[0].Line != 3 || problems[0].Severity != Error {
		t.Errorf("problems are %v, want an error in line 3", problems)
	}
}
