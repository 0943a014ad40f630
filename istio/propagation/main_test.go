package propagation

import (
	"bytes"
	"flag"
	"testing"

	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

var (
	full = flag.Bool("full", false, "send ten times as many requests through each Envoy")
	seed = flag.Uint64("seed", 1, "what generated requests and rules are made from")
)

func TestMain(m *testing.M) { leak.Main(m) }

// many returns how often to do what is done n times in the short form.
func many(n int) int {
	if *full {
		return 10 * n
	}
	return n
}

func load(t testing.TB, src string) *rules.Table {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if table == nil {
		t.Fatalf("%v in\n%s", problems.Err(), src)
	}
	return table
}

func written(t testing.TB, o *manifest.Object, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := manifest.Write(&out, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
