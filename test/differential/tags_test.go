package differential

import (
	"os"
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/rules"
)

// wantTags returns the tags that a request is to reach the upstream with: what the
// table says of the first value of its key, and nothing that the client forged.
func wantTags(table *rules.Table, report echo.Report) map[echo.Bytes][]echo.Bytes {
	ask := table.NewRequest()
	for i, key := range table.Keys() {
		if values := report.Headers[echo.Bytes(key.Name)]; len(values) > 0 {
			ask.SetKey(i, []byte(values[0]))
		}
	}
	want := make(map[echo.Bytes][]echo.Bytes)
	for _, d := range table.Match(ask) {
		if d.Writes() {
			tag := table.Tags()[d.Tag]
			want[echo.Bytes(tag.Header)] = []echo.Bytes{echo.Bytes(tag.Value)}
		}
	}
	return want
}

// wrongTags returns what is wrong with the tags of what reached the upstream, or "".
func wrongTags(table *rules.Table, reports []echo.Report) string {
	for _, report := range reports {
		got := make(map[echo.Bytes][]echo.Bytes)
		for name, values := range report.Headers {
			if owned(name) {
				got[name] = values
			}
		}
		want := wantTags(table, report)
		if routedAsJason(report) {
			want["x-asm-prefer-tag"] = []echo.Bytes{"s2"}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return "the tags (-want +got):\n" + diff
		}
	}
	return ""
}

// routedAsJason reports whether the example's route for the user jason took a request,
// and set the tag, whatever tagproc said: Envoy 1.40.0 asks each value of a repeated
// header by itself, Envoy 1.36.4 all of them joined, and tagproc the first.
func routedAsJason(report echo.Report) bool {
	return slices.Contains(report.Headers["x-user-id"], "jason") && slices.Equal(report.Headers["x-asm-prefer-tag"], []echo.Bytes{"s2"})
}

func loadRules() (*rules.Table, error) {
	src, err := os.ReadFile(rulesFile)
	if err != nil {
		return nil, err
	}
	table, problems := rules.Load(rulesFile, src, rules.Options{})
	if table == nil {
		return nil, problems.Err()
	}
	return table, nil
}
