package rules

import (
	"testing"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// mustLoad returns the table of a file that must be without fault.
func mustLoad(t testing.TB, src string) *Table {
	t.Helper()
	table, problems := Load("rules.yaml", []byte(src), Options{})
	if table == nil {
		t.Fatalf("Load: %v\n%s", problems.Err(), src)
	}
	return table
}

// decide returns the decision of each rule for a request with the given
// headers, by the name of the rule.
func decide(t *Table, headers map[string]string) map[string]Decision {
	r := t.NewRequest()
	for i, k := range t.Keys() {
		if v, ok := headers[k.Name]; ok {
			r.SetKey(i, []byte(v))
		}
	}
	decisions := map[string]Decision{}
	for i, d := range t.Match(r) {
		decisions[t.Rules()[i].Name] = d
	}
	return decisions
}
