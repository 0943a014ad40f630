package lanes

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/golden"
	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

func TestMain(m *testing.M) { leak.Main(m) }

func documents(tb testing.TB, name string, src []byte) []*source.Document {
	tb.Helper()
	docs, problems := source.Read(name, src)
	if len(problems) > 0 {
		tb.Fatalf("%s: %v", name, problems)
	}
	return docs
}

func read(tb testing.TB, files ...string) (docs []*source.Document) {
	tb.Helper()
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		docs = append(docs, documents(tb, filepath.Base(file), src)...)
	}
	return docs
}

// rendered returns what is made of groups, as text.
func rendered(tb testing.TB, groups []*Group, o Options) string {
	tb.Helper()
	var objects []*manifest.Object
	for _, g := range groups {
		objects = append(objects, Render(g, o)...)
	}
	var out bytes.Buffer
	if err := manifest.Write(&out, objects...); err != nil {
		tb.Fatal(err)
	}
	return out.String()
}

func said(notes []Note, problems source.Problems) string {
	var out strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&out, p)
	}
	for _, n := range notes {
		fmt.Fprintln(&out, n)
	}
	return out.String()
}

// TestOK checks what good files become, and what is said of them.
func TestOK(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/ok/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			var o Options
			if strings.HasPrefix(filepath.Base(file), "gateway-resource") {
				o.GatewaySelector = map[string]string{"istio": "ingressgateway"}
			}
			groups, notes, problems := Read(read(t, file))
			if problems.Err() != nil {
				t.Fatal(problems.Err())
			}
			if len(groups) == 0 {
				t.Fatal("there are no groups, and no error")
			}
			golden.Check(t, strings.TrimSuffix(file, ".yaml")+".out", said(notes, problems)+"---\n"+rendered(t, groups, o))
		})
	}
}

// TestErr holds the messages of bad files. Each kind of problem has to occur.
func TestErr(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/err/*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d bad files, want at least 30 (%v)", len(files), err)
	}
	seen := map[source.Kind]bool{}
	for _, file := range files {
		groups, notes, problems := Read(read(t, file))
		if problems.Err() == nil || groups != nil {
			t.Errorf("%s: Read = %v, want a refusal", file, groups)
		}
		for _, p := range problems {
			seen[p.Kind] = true
			if p.Line == 0 && p.Kind != KindGroup {
				t.Errorf("%s: the problem has no place: %s", file, p)
			}
		}
		golden.Check(t, strings.TrimSuffix(file, ".yaml")+".out", said(notes, problems))
	}
	for _, k := range []source.Kind{
		KindGroup, KindUnknownLane, KindUnknownService, KindMissingService, KindLabels, KindHost, KindPort, KindMatch, KindWeight,
		source.KindUnknownKey, source.KindDuplicateKey, source.KindType, source.KindMissing, rules.KindMode, rules.KindName, rules.KindHeader, rules.KindForbiddenHeader,
	} {
		if !seen[k] {
			t.Errorf("no file in testdata/err has a problem of kind %q", k)
		}
	}
}
