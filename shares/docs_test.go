package shares

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// TestDocs checks that docs/rollouts.md has every field of -o json.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/rollouts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "### The fields of `-o json`\n\nA new field")
	section, _, _ := strings.Cut(rest, "\n## ")
	if !found {
		t.Fatal("docs/rollouts.md has no section with the fields")
	}
	seen := map[reflect.Type]bool{}
	var walk func(of reflect.Type)
	walk = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || seen[of] {
			return
		}
		seen[of] = true
		for f := range of.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !f.IsExported() || name == "" {
				continue
			}
			if !strings.Contains(section, "`"+name+"`") {
				t.Errorf("docs/rollouts.md has no field %q, which %s has", name, of.Name())
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Diff]())
	if len(seen) < 10 {
		t.Errorf("the fields of %d types are looked for, want more", len(seen))
	}
}
