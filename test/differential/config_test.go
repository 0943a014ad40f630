package differential

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/mesh"
)

// shipped is the mode of mesh.Config: no bodies are sent to tagproc.
const shipped = "NONE"

// modes are the body modes, for requests and responses alike. All but the shipped one
// also send response headers and both trailers, which FULL_DUPLEX_STREAMED asks for
// and which are harmless misconfigurations in the others.
var modes = []string{shipped, "BUFFERED", "BUFFERED_PARTIAL", "STREAMED", "FULL_DUPLEX_STREAMED", "GRPC"}

// modesOf returns the modes that a release of Envoy knows.
func modesOf(version string) []string {
	if version == envoy.PreviousVersion {
		return modes[:len(modes)-1] // GRPC is newer
	}
	return modes
}

// reference returns the name of the listener that a mode is compared with.
func reference(mode string) string {
	if mode == shipped {
		return "reference"
	}
	return "reference with trailers"
}

// listener returns the name of the listener with tagproc.
func listener(mode string) string {
	if mode == shipped {
		return "ingress"
	}
	return mode
}

// statPrefix returns how the counters of a listener begin, in Envoy's http scope.
func statPrefix(listener string) string { return strings.ReplaceAll(listener, " ", "_") }

type (
	object = map[string]any
	list   = []any
)

// configure returns mesh.Config with free ports, with tagproc and the
// upstream of every application on their ports, and with the listeners of this
// package beside its own. edit changes the listeners that have tagproc; it may be
// nil, and is for tests that want to see a difference.
func configure(version string, tagprocPort, upstreamPort int, edit func(ingress object)) ([]byte, error) {
	ports := make(map[int]int)
	for _, m := range regexp.MustCompile(`port_value: (\d+)`).FindAllStringSubmatch(mesh.Config, -1) {
		port, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, err
		}
		ports[port] = upstreamPort
	}
	for _, port := range []int{9901, 10000, 10001} { // admin and the listeners
		ports[port] = 0
	}
	ports[9002] = tagprocPort
	text, err := envoy.Template(mesh.Config, ports, nil)
	if err != nil {
		return nil, err
	}
	var config object
	if err := yaml.Load(text, &config); err != nil {
		return nil, err
	}
	if err := addListeners(config, modesOf(version), upstreamPort, edit); err != nil {
		return nil, err
	}
	return json.Marshal(config)
}

func addListeners(config object, modes []string, upstreamPort int, edit func(ingress object)) error {
	resources := config["static_resources"].(object)
	listeners := resources["listeners"].(list)
	ingress, ok := named(listeners, "ingress")
	if !ok {
		return fmt.Errorf("mesh.Config has no listener ingress")
	}
	plain := clone(ingress, reference(shipped))
	withoutTagproc(plain)
	trailers := clone(ingress, reference("any other"))
	withoutTagproc(trailers)
	passTrailers(trailers)
	more := list{plain, trailers}
	for _, mode := range modes[1:] {
		l := clone(ingress, listener(mode))
		passTrailers(l)
		setMode(l, mode)
		more = append(more, l)
	}
	if edit != nil {
		edit(ingress)
		for _, l := range more[2:] {
			edit(l.(object))
		}
	}
	resources["listeners"] = append(listeners, more...)
	resources["clusters"] = append(resources["clusters"].(list), http2Cluster(upstreamPort))
	return nil
}

func named(all list, name string) (object, bool) {
	for _, o := range all {
		if o := o.(object); o["name"] == name {
			return o, true
		}
	}
	return nil, false
}

// clone returns a deep copy of a listener under another name.
func clone(listener object, name string) object {
	text, err := json.Marshal(listener)
	if err != nil {
		panic(err) // it was made of YAML without binary keys
	}
	var copied object
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&copied); err != nil {
		panic(err)
	}
	copied["name"] = name
	manager(copied)["stat_prefix"] = statPrefix(name)
	return copied
}

// manager returns the connection manager of a listener.
func manager(listener object) object {
	chain := listener["filter_chains"].(list)[0].(object)
	return chain["filters"].(list)[0].(object)["typed_config"].(object)
}

// processor returns the ext_proc filter of a listener.
func processor(listener object) object {
	filter, ok := named(manager(listener)["http_filters"].(list), "tagproc")
	if !ok {
		panic("the listener has no filter tagproc")
	}
	return filter["typed_config"].(object)
}

// withoutTagproc removes everything that is there for tagproc, and leaves the routes.
func withoutTagproc(listener object) {
	m := manager(listener)
	delete(m, "early_header_mutation_extensions")
	delete(m, "max_request_headers_kb")
	delete(m, "common_http_protocol_options")
	m["http_filters"] = m["http_filters"].(list)[1:]
}

// passTrailers lets trailers through, from HTTP/1.1 clients too, and sends all
// requests to the upstream by HTTP/2, as Envoy's HTTP/1.1 drops them by default.
func passTrailers(listener object) {
	m := manager(listener)
	m["http_protocol_options"] = object{"enable_trailers": true}
	for _, host := range m["route_config"].(object)["virtual_hosts"].(list) {
		for _, route := range host.(object)["routes"].(list) {
			route.(object)["route"] = object{"cluster": "http2"}
		}
	}
}

func setMode(listener object, mode string) {
	processor(listener)["processing_mode"] = object{
		"request_header_mode": "SEND", "response_header_mode": "SEND",
		"request_body_mode": mode, "response_body_mode": mode,
		"request_trailer_mode": "SEND", "response_trailer_mode": "SEND",
	}
}

func http2Cluster(port int) object {
	address := object{"socket_address": object{"address": "127.0.0.1", "port_value": port}}
	return object{
		"name":            "http2",
		"connect_timeout": "1s",
		"typed_extension_protocol_options": object{
			"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": object{
				"@type":                "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
				"explicit_http_config": object{"http2_protocol_options": object{}},
			},
		},
		"load_assignment": object{
			"cluster_name": "http2",
			"endpoints":    list{object{"lb_endpoints": list{object{"endpoint": object{"address": address}}}}},
		},
	}
}
