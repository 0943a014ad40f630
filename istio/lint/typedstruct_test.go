package lint

import (
	"strings"
	"testing"

	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// TestTypedStruct checks that a TypedStruct is read as the type that it names, with the
// places of its fields.
func TestTypedStruct(t *testing.T) {
	const plain = `          "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
`
	files := readDir(t, "testdata/ok/sidecar")
	var filter *File
	for i := range files {
		if files[i].Name == "envoyfilter.yaml" {
			filter = &files[i]
		}
	}
	before, rest, ok := strings.Cut(string(filter.Source), plain)
	if !ok {
		t.Fatal("the set has no ext_proc filter")
	}
	config, behind, _ := strings.Cut(rest, "  - applyTo")
	config = strings.TrimSuffix("  "+strings.ReplaceAll(config, "\n", "\n  "), "  ")
	for _, name := range []string{"udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"} {
		typed := before + "          \"@type\": type.googleapis.com/" + name + "\n          type_url: type.googleapis.com/" + extProcType + "\n          value:\n"
		filter.Source = []byte(typed + config + "  - applyTo" + behind)
		if fs := Files(files, rules.Options{}).Findings; len(fs) > 0 {
			t.Errorf("%s: findings are %v, want none", name, fs)
		}
		edited := strings.Replace(config, "failure_mode_allow: true", "failure_mode_allow: false", 1)
		filter.Source = []byte(typed + edited + "  - applyTo" + behind)
		fs := Files(files, rules.Options{}).Findings
		above, _, _ := strings.Cut(typed+edited, "failure_mode_allow")
		line := strings.Count(above, "\n") + 1
		if len(fs) != 1 || fs[0].Kind != source.Kind("fail-closed") || fs[0].Line != line {
			t.Errorf("%s: findings are %v, want fail-closed in line %d", name, fs, line)
		}
	}
}
