package chaos

import (
	"encoding/json"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/mesh"
)

// A config is a configuration of Envoy in maps and slices, to be edited.
type config map[string]any

// An edit changes the example's configuration.
type edit func(t *testing.T, c config)

// gatewayConfig returns mesh.ConfigUnix with every application at
// one port and tagproc at the sockets, and with the edits.
func gatewayConfig(t *testing.T, application int, sockets []string, edits ...edit) []byte {
	t.Helper()
	src, err := envoy.Template(mesh.ConfigUnix,
		map[int]int{9901: 0, 10000: 0, 10001: 0, 10110: application},
		map[string]string{"/run/tagproc.sock": sockets[0]})
	if err != nil {
		t.Fatal(err)
	}
	var c config
	if err := yaml.Load(src, &c); err != nil {
		t.Fatal(err)
	}
	var endpoints []any
	for _, path := range sockets {
		endpoints = append(endpoints, config{"endpoint": config{"address": config{"pipe": config{"path": path}}}})
	}
	c.cluster(t, "tagproc")["load_assignment"] = config{
		"cluster_name": "tagproc", "endpoints": []any{config{"lb_endpoints": endpoints}},
	}
	for _, e := range edits {
		e(t, c)
	}
	out, err := json.Marshal(c) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// at returns what stands at a path of keys and, in lists, of numbers.
func (c config) at(t *testing.T, path ...any) config {
	t.Helper()
	var v any = c
	for _, step := range path {
		switch s := step.(type) {
		case string:
			v = asConfig(v)[s]
		case int:
			list, ok := v.([]any)
			if !ok || s >= len(list) {
				t.Fatalf("the configuration of Envoy has nothing at %v", path)
			}
			v = list[s]
		}
	}
	m := asConfig(v)
	if m == nil {
		t.Fatalf("the configuration of Envoy has no mapping at %v", path)
	}
	return m
}

func asConfig(v any) config {
	switch m := v.(type) {
	case config:
		return m
	case map[string]any:
		return m
	}
	return nil
}

func (c config) cluster(t *testing.T, name string) config {
	t.Helper()
	clusters, _ := c.at(t, "static_resources")["clusters"].([]any)
	for _, v := range clusters {
		if m := asConfig(v); m["name"] == name {
			return m
		}
	}
	t.Fatalf("the configuration of Envoy has no cluster %s", name)
	return nil
}

// connectionManager is that of the ingress.
func (c config) connectionManager(t *testing.T) config {
	t.Helper()
	return c.at(t, "static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config")
}

// processor is the ext_proc filter.
func (c config) processor(t *testing.T) config {
	t.Helper()
	return c.at(t, "static_resources", "listeners", 0, "filter_chains", 0, "filters", 0, "typed_config", "http_filters", 0, "typed_config")
}

// failClosed makes requests without tagproc's answer fail.
func failClosed(t *testing.T, c config) {
	t.Helper()
	c.processor(t)["failure_mode_allow"] = false
}

// messageTimeout is how long an answer of tagproc is awaited; the example has 0.2s.
func messageTimeout(limit string) edit {
	return func(t *testing.T, c config) {
		t.Helper()
		c.processor(t)["message_timeout"] = limit
	}
}

// patient gives time to a machine that is slow, or busy with other tests.
func patient(t *testing.T, c config) {
	t.Helper()
	messageTimeout("30s")(t, c)
	for _, name := range []string{"tagproc", "mocka-baseline"} {
		c.cluster(t, name)["connect_timeout"] = "30s"
	}
}

// roomy lifts the other bounds on requests in flight and their time, so that only
// tagproc and its cluster bound them.
func roomy(t *testing.T, c config) {
	t.Helper()
	c.cluster(t, "mocka-baseline")["circuit_breakers"] = config{"thresholds": []any{config{
		"max_connections": 20000, "max_pending_requests": 20000, "max_requests": 20000,
	}}}
	routes, _ := c.connectionManager(t).at(t, "route_config", "virtual_hosts", 0)["routes"].([]any)
	for _, r := range routes {
		asConfig(r).at(t, "route")["timeout"] = "60s"
	}
}

// defaultBreakers takes the circuit breakers of the cluster tagproc away, which
// leaves Envoy's defaults.
func defaultBreakers(t *testing.T, c config) {
	t.Helper()
	delete(c.cluster(t, "tagproc"), "circuit_breakers")
}
