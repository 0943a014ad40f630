package seen

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestNames compares Names with a search through a list.
func TestNames(t *testing.T) {
	t.Parallel()
	var n Names
	rapid.Check(t, func(t *rapid.T) {
		n.Reset()
		var model []string
		for _, name := range rapid.SliceOf(rapid.SampledFrom([]string{"", "a", "b", "ab", "ba", "appver-1", "appver-2"})).Draw(t, "names") {
			want := slices.Index(model, name)
			if got := n.Index([]byte(name)); got != want {
				t.Fatalf("Index(%q) = %d, want %d in %q", name, got, want, model)
			}
			added := want < 0
			if added {
				want = len(model)
				model = append(model, name)
			}
			if got, isNew := n.Add([]byte(name)); got != want || isNew != added {
				t.Fatalf("Add(%q) = %d, %v, want %d, %v in %q", name, got, isNew, want, added, model)
			}
		}
		if n.Len() != len(model) {
			t.Fatalf("Len() = %d, want %d", n.Len(), len(model))
		}
	})
}

func TestNamesAllocates(t *testing.T) {
	var n Names
	names := make([][]byte, 1000)
	for i := range names {
		names[i] = fmt.Append(nil, "appver-", i)
	}
	run := func() {
		n.Reset()
		for _, name := range names {
			n.Add(name)
		}
	}
	run()
	if got := testing.AllocsPerRun(100, run); got != 0 {
		t.Errorf("%d names allocate %v times, want 0", len(names), got)
	}
}
