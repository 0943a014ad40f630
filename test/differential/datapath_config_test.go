package differential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/istio/propagation"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// listenerOf returns the name of a listener, which is also its stat_prefix.
func listenerOf(d contract.Direction, p propagation.DataPath) string {
	return d.String() + "_" + string(p)
}

// writeRules writes a rules file into dir.
func writeRules(t *testing.T, dir, src string) string {
	t.Helper()
	path := filepath.Join(dir, "rules.yaml")
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hopConfig returns the configuration of a sidecar with the filters that are printed
// for hopRules, in a listener for each direction and data path.
func hopConfig(socket string, applicationPort int) ([]byte, error) {
	application := http2Cluster(applicationPort)
	application["name"] = "application"
	delete(application, "typed_extension_protocol_options")
	var listeners list
	clusters := list{application}
	for _, path := range propagation.DataPaths() {
		printed, err := hopFilters(path, socket)
		if err != nil {
			return nil, err
		}
		for _, c := range printed.clusters {
			clusters = append(clusters, c)
		}
		restore, collect, recompute := printed.filters["tagproc.restore"], printed.filters["tagproc.collect"], printed.filters["tagproc.recompute"]
		both := list{recompute} // tagproc restores and decides in one
		if path == propagation.Lua {
			both = list{recompute, restore}
		}
		listeners = append(listeners,
			hopListener(listenerOf(contract.Restore, path), list{restore}),
			hopListener(listenerOf(contract.Collect, path), list{collect}),
			hopListener(listenerOf(contract.Recompute, path), both))
	}
	return json.Marshal(object{
		"admin":            object{"address": object{"socket_address": object{"address": "127.0.0.1", "port_value": 0}}},
		"static_resources": object{"listeners": listeners, "clusters": clusters},
	})
}

func hopListener(name string, filters list) object {
	router := object{
		"name":         "envoy.filters.http.router",
		"typed_config": object{"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router", "suppress_envoy_headers": true},
	}
	return object{
		"name":              name,
		"address":           object{"socket_address": object{"address": "127.0.0.1", "port_value": 0}},
		"enable_reuse_port": false,
		"filter_chains": list{object{"filters": list{object{
			"name": "envoy.filters.network.http_connection_manager",
			"typed_config": object{
				"@type":                 "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
				"stat_prefix":           name,
				"generate_request_id":   false,
				"delayed_close_timeout": "0.01s", // for requests that are refused
				"http_filters":          append(slices.Clip(filters), router),
				"route_config": object{"virtual_hosts": list{object{
					"name": "all", "domains": list{"*"},
					"routes": list{object{"match": object{"prefix": "/"}, "route": object{"cluster": "application", "timeout": "0s"}}},
				}}},
			},
		}}}},
	}
}

// printed are the parts of EnvoyFilters.
type printed struct {
	filters  map[string]object // by name
	clusters []object
}

// hopFilters returns what is printed for hopRules and a data path. Envoy waits long for
// tagproc: timeouts are not tested here.
func hopFilters(path propagation.DataPath, socket string) (printed, error) {
	p := printed{filters: map[string]object{}}
	table, problems := rules.Load("rules.yaml", []byte(hopRules), rules.Options{})
	if table == nil {
		return p, problems.Err()
	}
	docs, _ := source.Read("rules.yaml", []byte(hopRules))
	scopes, problems := propagation.Read(docs, rules.Options{})
	if len(scopes) != 1 {
		return p, fmt.Errorf("%d scopes, %w", len(scopes), problems.Err())
	}
	options := propagation.Options{DataPath: path, Address: "unix://" + socket, Inbound: true}
	propagated, err := propagation.Propagation(scopes[0], options)
	recomputed, err2 := propagation.Recompute(table, options)
	if err := errors.Join(err, err2); err != nil {
		return p, err
	}
	var text bytes.Buffer
	if err := manifest.Write(&text, propagated, recomputed); err != nil {
		return p, err
	}
	loader, err := yaml.NewLoader(&text)
	if err != nil {
		return p, err
	}
	for range 2 {
		var filter struct {
			Spec struct {
				ConfigPatches []struct {
					ApplyTo string `yaml:"applyTo"`
					Patch   struct{ Value object }
				} `yaml:"configPatches"`
			}
		}
		if err := loader.Load(&filter); err != nil {
			return p, err
		}
		for _, patch := range filter.Spec.ConfigPatches {
			value := patch.Patch.Value
			if patch.ApplyTo == "CLUSTER" {
				p.clusters = append(p.clusters, value)
				continue
			}
			if path == propagation.ExtProc {
				value["typed_config"].(object)["message_timeout"] = fmt.Sprintf("%.0fs", limit.Seconds())
			}
			p.filters[value["name"].(string)] = value
		}
	}
	return p, nil
}
