package deploy

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/istio/lanes"
	"github.com/tagproc/tagproc/istio/manifest"
)

// resources returns what `tagproc render lanes` makes of a file below samples/.
func resources(t *testing.T, path string) []*manifest.Object {
	t.Helper()
	groups, _, problems := lanes.Read(documents(t)[path])
	if len(problems) > 0 || len(groups) != 1 {
		t.Fatalf("%s: %d groups and %v, want one without problems", path, len(groups), problems)
	}
	return lanes.Render(groups[0], lanes.Options{})
}

// text returns objects as a file, below a comment.
func text(t *testing.T, comment string, objects []*manifest.Object) string {
	t.Helper()
	var out bytes.Buffer
	out.WriteString(comment)
	if err := manifest.Write(&out, objects...); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestSampleLanes checks that the routes of the first walk-through are what tagproc
// makes of its lanes, and that the lanes to migrate from are the same ones.
func TestSampleLanes(t *testing.T) {
	t.Parallel()
	start := resources(t, "lanes/lanes.yaml")
	promoted := resources(t, "lanes/lanes-promoted.yaml")
	if diff := cmp.Diff(text(t, "", start), text(t, "", resources(t, "asm/lanes/swimlanes.yaml"))); diff != "" {
		t.Errorf("what lanes.yaml makes and what swimlanes.yaml makes differ:\n%s", diff)
	}

	// What the promotion changes: routes, and subsets after them.
	var routes, subsets []*manifest.Object
	for _, o := range promoted {
		same := slices.ContainsFunc(start, func(before *manifest.Object) bool {
			return text(t, "", []*manifest.Object{before}) == text(t, "", []*manifest.Object{o})
		})
		switch {
		case same:
		case o.Kind == "DestinationRule":
			subsets = append(subsets, o)
		default:
			routes = append(routes, o)
		}
	}
	for _, tt := range []struct {
		file, comment string
		objects       []*manifest.Object
	}{
		{"3-lanes.yaml", "---\n# Made by: tagproc render lanes lanes.yaml\n# Edit what it is made of, not this: the next run writes over it.\n\n", start},
		{"8-promote-routes.yaml", "# Promotion, second part: no route names lane s2 any more, and jason's is gone.\n\n", routes},
		{"9-promote-subsets.yaml", "# Promotion, last part: lane s2 goes. Only once 8-promote-routes.yaml has reached every\n# Envoy: a route to a subset that is gone answers 503.\n\n", subsets},
	} {
		path := filepath.Join("samples", "lanes", tt.file)
		got := text(t, tt.comment, tt.objects)
		golden.Check(t, path, got)
	}
}
