package main

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strconv"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/internal/mesh"
)

//go:embed tag.lua
var luaSource string

// object is a mapping of a configuration.
type object = map[string]any

// gatewayConfig returns the configuration of the Envoy under load: one listener
// for each variant. Listener, ext_proc filter and ext_proc cluster are those of
// internal/mesh/envoy.yaml, without the access log and with other routes. lanes are
// the addresses of the clusters baseline and canary; servers, of each variant with
// a server, by its id: HOST:PORT or the path of a Unix socket; rules is the filter
// that renderRules returns.
func gatewayConfig(variants []variant, lanes, servers map[string]string, rules object) ([]byte, error) {
	var listeners, clusters []any
	for _, lane := range []string{"baseline", "canary"} {
		address, err := addressOf(lanes[lane])
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, object{
			"name":            lane,
			"connect_timeout": "1s",
			"circuit_breakers": object{"thresholds": []any{
				object{"max_connections": 10000, "max_requests": 10000, "max_pending_requests": 10000},
			}},
			"load_assignment": endpoint(lane, address),
		})
	}
	for _, v := range variants {
		s, err := readShipped()
		if err != nil {
			return nil, fmt.Errorf("couldn't use internal/mesh/envoy.yaml: %w", err)
		}
		listeners = append(listeners, s.listenerOf(v, rules))
		if v.filter != extProc {
			continue
		}
		address, err := addressOf(servers[v.id])
		if err != nil {
			return nil, err
		}
		s.cluster["name"] = v.id
		s.cluster["load_assignment"] = endpoint(v.id, address)
		clusters = append(clusters, s.cluster)
	}
	return yaml.Dump(object{
		"admin":            object{"address": socket("127.0.0.1", 0)},
		"static_resources": object{"listeners": listeners, "clusters": clusters},
	})
}

// shipped are the parts of internal/mesh/envoy.yaml.
type shipped struct {
	listener, manager, extProc, router, cluster object
}

func readShipped() (*shipped, error) {
	var config struct {
		Resources struct {
			Listeners, Clusters []object
		} `yaml:"static_resources"`
	}
	if err := yaml.Load([]byte(mesh.Config), &config); err != nil {
		return nil, err
	}
	var s shipped
	s.listener = named(config.Resources.Listeners, "ingress")
	s.cluster = named(config.Resources.Clusters, "tagproc")
	var chain struct {
		FilterChains []struct {
			Filters []struct {
				Config object `yaml:"typed_config"`
			}
		} `yaml:"filter_chains"`
	}
	if err := remarshal(s.listener, &chain); err != nil {
		return nil, err
	}
	if s.listener == nil || s.cluster == nil || len(chain.FilterChains) != 1 || len(chain.FilterChains[0].Filters) != 1 {
		return nil, errors.New("it has no listener ingress with one filter, or no cluster tagproc")
	}
	s.manager = chain.FilterChains[0].Filters[0].Config
	var filters []object
	if err := remarshal(s.manager["http_filters"], &filters); err != nil {
		return nil, err
	}
	s.extProc, s.router = named(filters, "tagproc"), named(filters, contract.Router)
	if s.extProc == nil || s.router == nil {
		return nil, errors.New("its listener ingress has no filter tagproc or no router")
	}
	return &s, nil
}

// listenerOf makes the shipped listener that of the variant.
func (s *shipped) listenerOf(v variant, rules object) object {
	filters := []any{s.router}
	switch v.filter {
	case extProc:
		config := s.extProc["typed_config"].(object)
		config["stat_prefix"] = v.id
		config["grpc_service"].(object)["envoy_grpc"].(object)["cluster_name"] = v.id
		filters = []any{s.extProc, s.router}
	case ruleLua:
		filters = []any{rules, s.router}
	case lua:
		filters = []any{object{
			"name": "lua",
			"typed_config": object{
				"@type":               "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
				"default_source_code": object{"inline_string": luaSource},
			},
		}, s.router}
	}
	delete(s.manager, "access_log")
	s.manager["stat_prefix"] = v.id
	s.manager["http_filters"] = filters
	s.manager["route_config"] = object{"name": v.id, "virtual_hosts": []any{
		object{"name": "all", "domains": []any{"*"}, "routes": routesOf(v)},
	}}
	s.listener["name"] = v.id
	s.listener["address"] = socket("127.0.0.1", 0)
	s.listener["filter_chains"] = []any{object{"filters": []any{object{
		"name":         contract.ConnectionManager,
		"typed_config": s.manager,
	}}}}
	return s.listener
}

// routesOf chooses the lane by the tag, or where nothing tags as the variant does.
func routesOf(v variant) []any {
	everything := object{"prefix": "/"}
	if v.filter == weighted {
		return []any{object{"match": everything, "route": object{
			"hash_policy": []any{object{"header": object{"header_name": "x-user-id"}}},
			"weighted_clusters": object{
				"use_hash_policy": true,
				"clusters": []any{
					object{"name": "canary", "weight": 20},
					object{"name": "baseline", "weight": 80},
				},
			},
		}}}
	}
	tagged := object{"prefix": "/", "headers": []any{
		object{"name": "x-asm-prefer-tag", "string_match": object{"exact": "s2"}},
	}}
	return []any{
		object{"match": tagged, "route": object{"cluster": "canary"}},
		object{"match": everything, "route": object{"cluster": "baseline"}},
	}
}

// endpoint is a load_assignment of one address.
func endpoint(cluster string, address object) object {
	return object{"cluster_name": cluster, "endpoints": []any{
		object{"lb_endpoints": []any{object{"endpoint": object{"address": address}}}},
	}}
}

// addressOf turns HOST:PORT or the path of a Unix socket into Envoy's address.
func addressOf(s string) (object, error) {
	if len(s) > 0 && s[0] == '/' {
		return object{"pipe": object{"path": s}}, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return nil, fmt.Errorf("couldn't use the address %q: %w", s, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("couldn't use the address %q: %w", s, err)
	}
	return socket(host, number), nil
}

func socket(host string, port int) object {
	return object{"socket_address": object{"address": host, "port_value": port}}
}

// named returns the object with this name, or nil.
func named(list []object, name string) object {
	for _, o := range list {
		if o["name"] == name {
			return o
		}
	}
	return nil
}

// remarshal reads a part of a configuration into out.
func remarshal(part, out any) error {
	src, err := yaml.Dump(part)
	if err != nil {
		return err
	}
	return yaml.Load(src, out)
}
