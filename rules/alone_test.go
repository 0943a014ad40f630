package rules

import (
	"fmt"
	"testing"
)

func TestAlone(t *testing.T) {
	t.Parallel()
	table, problems := Load("rules.yaml", []byte(`
rules:
- {name: first, header: x-user-id, tagHeader: x-tag, policies: [{range: 20, tagValue: a}]}
- {name: second, header: x-user-id, tagHeader: x-tag, policies: [{range: 30, tagValue: b}]}
- {name: matched, header: x-user-id, tagHeader: x-other, match: {hosts: [a.example.com]}, policies: [{range: 100, tagValue: c}]}
- {name: off, mode: "off", header: x-user-id, tagHeader: x-third, policies: [{range: 100, tagValue: d}]}
- {name: ramped, header: x-user-id, tagHeader: x-fourth, policies: [{tagValue: e, ramp: [{at: 2026-01-01T00:00:00Z, range: 100}]}]}
`), Options{})
	if table == nil {
		t.Fatal(problems)
	}
	table = table.Stages()[1]
	reasons := func(table *Table) (text string) {
		r := table.NewRequest()
		r.SetKey(0, []byte("jack")) // bucket 2
		for _, d := range table.Match(r) {
			text += fmt.Sprintf("%s %d %s, ", d.Mode, d.Tag, d.Reason)
		}
		return text
	}
	if got, want := reasons(table.Alone()), "shadow 0 policy, shadow 1 policy, shadow 2 policy, shadow 3 policy, shadow 4 policy, "; got != want {
		t.Errorf("alone the rules decide %s\nwant %s", got, want)
	}
	if got, want := reasons(table), "enforce 0 policy, enforce -1 superseded, enforce -1 no_match, off -1 off, enforce 4 policy, "; got != want {
		t.Errorf("afterwards the rules decide %s\nwant %s", got, want)
	}
}
