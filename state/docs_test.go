package state

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestDocs checks that docs/operations.md names every field of a state, and its version.
func TestDocs(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## The state of a replica\n")
	section, _, _ = strings.Cut(section, "\n## ")
	if version := fmt.Sprintf("| `stateVersion` | %d |", Version); !strings.Contains(section, version) {
		t.Errorf("docs/operations.md has no row %q", version)
	}
	fields := 0
	var walk func(of reflect.Type)
	walk = func(of reflect.Type) {
		switch {
		case of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice:
			walk(of.Elem())
		case of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]():
			for f := range of.Fields() {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if fields++; !strings.Contains(section, "`"+name+"`") {
					t.Errorf("docs/operations.md does not name %s of %s", name, of.Name())
				}
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[State]())
	if fields < 50 {
		t.Errorf("%d fields are looked for, want those of the whole state", fields)
	}
}
