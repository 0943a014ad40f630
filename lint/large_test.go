package lint

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// TestManyServices checks that a mesh of hundreds of Services is looked at in a time that no
// limit of a test notices: the routes of a gateway and of three sidecars, each with a wildcard
// beside them.
func TestManyServices(t *testing.T) {
	t.Parallel()
	const services, sidecars = 300, 3
	var hosts strings.Builder
	for i := range services {
		fmt.Fprintf(&hosts, `
- name: s%[1]d
  domains: [s%[1]d.example.com]
  routes:
  - {match: {prefix: /, headers: [{name: x-user-id, string_match: {exact: jason}}]}, route: {cluster: outbound|80|s2|s%[1]d}, metadata: {filter_metadata: {istio: {config: a}}}}
  - {match: {prefix: /, headers: [{name: x-lane, string_match: {exact: s2}}]}, route: {cluster: outbound|80|s2|s%[1]d}, metadata: {filter_metadata: {istio: {config: a}}}}
  - {match: {prefix: /}, route: {cluster: outbound|80|s1|s%[1]d}, metadata: {filter_metadata: {istio: {config: a}}}}`, i)
	}
	manager := `
name: ingress
filter_chains:
- filters:
  - name: http
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      route_config:
        name: all
        virtual_hosts:
        - {name: rest, domains: ["*"], routes: [{match: {prefix: /, headers: [{name: x-lane, string_match: {exact: s2}}]}, route: {cluster: outbound|80|s2|rest}}, {match: {prefix: /}, route: {cluster: outbound|80|s1|rest}}]}`
	listener := manager + strings.ReplaceAll(hosts.String(), "\n", "\n        ") + "\n"
	table, problems := rules.Load("rules", []byte("rules: [{header: x-user-id, tagHeader: x-lane, policies: [{range: 20, tagValue: s2}]}]\n"), rules.Options{})
	if table == nil {
		t.Fatal(problems)
	}
	m := &Model{Complete: true, Rules: []*Rules{{Table: table}}}
	for i := range 1 + sidecars {
		docs, wrong := source.Documents("envoy", []byte(listener), source.MaxFileSize)
		if wrong.Err() != nil {
			t.Fatal(wrong)
		}
		config, _ := envoyconf.Read(docs)
		m.AddEnvoy(fmt.Sprint(i), config, false)
	}
	m.Settle()
	if fs := m.Findings(); len(fs) > 0 {
		t.Errorf("%d findings, want none; the first is %v", len(fs), fs[0])
	}
	if n := len(m.routes()); n < services*sidecars {
		t.Errorf("%d routes are looked at, want %d and more", n, services*sidecars)
	}
}
