package gateway

import (
	"errors"
	"fmt"
	"slices"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// ingress is the name of the listener, and the prefix of its counters.
const ingress = "ingress"

// columns is how wide the configuration of a standalone Envoy is, as far as it can be
// folded.
const columns = 160

// Standalone are the settings of the operator of an Envoy that no control plane
// configures, in the form of flags.
type Standalone struct {
	Behaviour

	Listen  string   // where clients come in: IP:PORT or unix:///PATH
	Address []string // of tagproc, each HOST:PORT or unix:///PATH
	Routes  []string // [TAG_HEADER=]TAG=HOST:PORT; of those that match a request the first is taken
	Default string   // HOST:PORT of the requests that no route takes
	TLS     TLS      // towards tagproc
	Tracing string   // HOST:PORT of a collector of OpenTelemetry; "": no traces

	// JSONLog makes the access log the one that package accesslog reads.
	JSONLog bool
	// FiltersOnly leaves out listener, routes and log: what remains is for a
	// configuration that is there.
	FiltersOnly bool
}

// Config returns the configuration of a standalone Envoy, with comments, which asks tagproc
// and routes by its tags; or with FiltersOnly the parts of it that concern tagproc.
// An error is about options, and begins with the option's name as a flag, or says that the
// rules have no tag header.
func Config(t *rules.Table, o Standalone) (*manifest.Tree, error) {
	s, err := o.settings(t)
	if err != nil {
		return nil, err
	}
	h := headersOf(t)
	if h.owned.IsZero() {
		return nil, errNothingOwned
	}
	filters, err := s.filters(t, h)
	if err != nil {
		return nil, err
	}
	var clusters []*manifest.Tree
	if o.DataPath == ExtProc {
		tagproc, err := s.tagproc()
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, tagproc)
	}
	m, err := s.manager(t, h)
	if err != nil {
		return nil, err
	}
	if o.Tracing != "" {
		collector, err := collector(s.collector)
		if err != nil {
			return nil, err
		}
		clusters = append(clusters, collector)
	}
	if o.FiltersOnly {
		return s.parts(m, h, filters, clusters)
	}
	listener, err := s.listener(m, h, filters)
	if err != nil {
		return nil, err
	}
	of, err := s.clusters()
	if err != nil {
		return nil, err
	}
	clusters = append(clusters, of...)
	admin := envoyfilter.Endpoint{Host: "127.0.0.1", Port: adminPort}
	root := manifest.NewMapping().
		Put(manifest.NewMapping().Put(manifest.NewTree(admin.Address(), true), "address"), "admin").
		Put(manifest.NewMapping().
			Put(manifest.NewList(listener), "listeners").
			Put(manifest.NewList(clusters...), "clusters"), "static_resources").
		Comment("Envoy's counters. Whoever reaches it may end Envoy.", "admin")
	if err := putProgramSize(root, h, s.StripClientBaggage); err != nil {
		return nil, err
	}
	return root.Fold(columns), nil
}

// adminPort is where Envoy answers about itself.
const adminPort = 9901

var errNothingOwned = errors.New("the rules have no tag header: add a rule, or declare tagHeaders, which say what tagproc may write")

// Purpose returns what the configuration is, and which tagproc belongs to it: a text that
// stands above it. rules is the name of the rules file. The options have been checked.
func (o *Standalone) Purpose(rules string) string {
	beside, where := "Beside it: ", ""
	switch e, err := envoyfilter.ParseEndpoint(o.Address[0]); {
	case len(o.Address) > 1:
		beside, where = "Beside it, at each address: ", " --listen ADDRESS"
	case err == nil && e.IsName():
		where = fmt.Sprintf(" --listen :%d", e.Port) // there
	case o.Address[0] != contract.DefaultListen:
		where = " --listen " + o.Address[0]
	}
	beside += fmt.Sprintf("tagproc serve --rules %s%s --metadata --max-request-headers %d --max-request-headers-kb %d",
		rules, where, contract.GatewayMaxHeaders, contract.GatewayMaxHeaderKB)
	if o.DataPath == Lua {
		return "An Envoy that decides the tags of each request itself, by the rules in Lua, and routes by them.\nRender it again after every edit of the rules."
	}
	const again = " Render it again after an edit of tagHeaders, or of what rules look at."
	if o.FiltersOnly {
		return "For the HTTP connection manager of an Envoy and its clusters: tagproc's filters, before others, and what they need." + again + "\n" + beside
	}
	return "An Envoy that asks tagproc for the tags of each request, and routes by them." + again + "\n" + beside
}

// filters returns the HTTP filters of tagproc, in their order.
func (s *standalone) filters(t *rules.Table, h headers) (filters []*manifest.Tree, err error) {
	if h.visitors > 0 {
		visitors, err := visitorsFilter(h.visitors)
		if err != nil {
			return nil, err
		}
		filters = append(filters, visitors)
	}
	if s.DataPath == Lua {
		program, err := luaFilter(t, s.Behaviour)
		return append(filters, program), err
	}
	tagproc, err := httpFilter(h, call{Behaviour: s.Behaviour, cluster: contract.GatewayFilter, authority: s.authority(), several: envoyfilter.Several(s.addresses)})
	return append(filters, tagproc), err
}

// authority returns the host of tagproc, if it is a name: of the cluster's name a proxy
// on the way could make nothing.
func (s *standalone) authority() string {
	if len(s.addresses) == 1 && s.addresses[0].IsName() {
		return s.addresses[0].String()
	}
	return ""
}

// tagproc returns the cluster of tagproc.
func (s *standalone) tagproc() (*manifest.Tree, error) {
	c, err := envoyfilter.ExtProcCluster(contract.GatewayFilter, s.addresses...)
	if err != nil {
		return nil, err
	}
	if s.TLS != (TLS{}) {
		if c.TransportSocket, err = s.TLS.socket(s.addresses[0].Host); err != nil {
			return nil, err
		}
	}
	tree := envoyfilter.CommentExtProcCluster(manifest.NewTree(c, true))
	s.TLS.comment(tree)
	return tree, nil
}

// manager returns what the connection manager needs.
func (s *standalone) manager(t *rules.Table, h headers) (*hcmv3.HttpConnectionManager, error) {
	m, err := manager(h, s.Behaviour)
	if err == nil && s.Tracing != "" {
		m.Tracing, err = tracing(t)
	}
	if err == nil && slices.ContainsFunc(t.Rules(), func(r rules.Rule) bool { return len(r.Match.Paths) > 0 }) {
		m.NormalizePath, m.MergeSlashes = wrapperspb.Bool(true), true
	}
	return m, err
}

// managerFilter is the function of that name, with comments on traces and paths.
func (s *standalone) managerFilter(m *hcmv3.HttpConnectionManager, h headers) (*manifest.Tree, error) {
	filter, err := managerFilter(m, h, s.Behaviour)
	if err == nil && s.Tracing != "" {
		filter.Comment("Every request is traced; random_sampling takes some. Spans say what tagproc decided, and by which rules, without the user's id. Render this again when a rule comes, goes or changes its name.",
			envoyfilter.TypedConfig, "tracing")
	}
	if err == nil && m.NormalizePath.GetValue() {
		filter.Comment("Rules match paths: //a and /x/../a are /a to them, and to the applications.", envoyfilter.TypedConfig, "normalize_path")
	}
	return filter, err
}

// parts returns what a connection manager and the clusters that are there lack.
func (s *standalone) parts(m *hcmv3.HttpConnectionManager, h headers, filters, clusters []*manifest.Tree) (*manifest.Tree, error) {
	filter, err := s.managerFilter(m, h)
	if err != nil {
		return nil, err
	}
	filter.Put(manifest.NewList(filters...), "http_filters", envoyfilter.TypedConfig)
	root := manifest.NewMapping().
		Put(manifest.NewList(filter), "filters").Comment("Of a filter chain: into the connection manager that is there.", "filters")
	if len(clusters) > 0 {
		root.Put(manifest.NewList(clusters...), "clusters").Comment("Of static_resources.", "clusters")
	}
	err = putProgramSize(root, h, s.StripClientBaggage)
	return root.Fold(columns), err
}

// listener returns the listener that clients connect to.
func (s *standalone) listener(m *hcmv3.HttpConnectionManager, h headers, filters []*manifest.Tree) (*manifest.Tree, error) {
	var err error
	m.StatPrefix = ingress
	m.UseRemoteAddress = wrapperspb.Bool(true)
	m.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: s.routeConfig()}
	m.HttpFilters = []*hcmv3.HttpFilter{{}} // in its place are trees with comments
	if m.AccessLog, err = accessLog(s.logged(h), s.DataPath, s.JSONLog); err != nil {
		return nil, err
	}
	router, err := envoyfilter.HTTPFilter(contract.Router, &routerv3.Router{})
	if err != nil {
		return nil, err
	}
	filter, err := s.managerFilter(m, h)
	if err != nil {
		return nil, err
	}
	filter.Put(manifest.NewList(append(filters, router)...), "http_filters", envoyfilter.TypedConfig).
		Comment("Clients are those who connect: x-envoy-* headers of others than private addresses are not believed.", envoyfilter.TypedConfig, "use_remote_address").
		Comment(s.explained(), envoyfilter.TypedConfig, "access_log")
	last := "The first whose tag the request has. The last has other tags, and requests without: no rule decides"
	if s.DataPath == ExtProc {
		last += ", or tagproc is down"
	}
	filter.Comment(last+".",
		envoyfilter.TypedConfig, "route_config", "virtual_hosts", 0, "routes")
	listener := manifest.NewTree(&listenerv3.Listener{
		Name:            ingress,
		Address:         s.listen.Address(),
		FilterChains:    []*listenerv3.FilterChain{{}}, // in its place are trees
		EnableReusePort: wrapperspb.Bool(false),
	}, true)
	chains := manifest.NewList(manifest.NewMapping().Put(manifest.NewList(filter), "filters"))
	return listener.Put(chains, "filter_chains").
		Comment("A second Envoy on this port is an error, and does not get half of the requests.", "enable_reuse_port"), nil
}

// explained says how to read the access log.
func (s *standalone) explained() string {
	why := "why= is what `tagproc explain` says. Late without --file-flush-interval-msec 100."
	if s.JSONLog {
		why += " `tagproc verify --access-log` reads it."
	}
	if s.DataPath == Lua {
		return why
	}
	return "tagproc=0: it answered; 4, too late, 14, not there: untagged. " + why
}

// mostInstructions is the size of the regular expressions that every release of Envoy
// takes, in instructions of RE2. A bracket has nine or ten bytes, and nine instructions.
const mostInstructions = 90

// putProgramSize lets Envoy take larger regular expressions, where there are some.
func putProgramSize(root *manifest.Tree, h headers, wholeBaggage bool) error {
	largest := len(h.mutable())
	for _, m := range h.stripped(wholeBaggage) {
		largest = max(largest, len(m.GetSafeRegex().GetRegex()))
	}
	if largest <= mostInstructions {
		return nil
	}
	layer, err := structpb.NewStruct(map[string]any{"layers": []any{map[string]any{
		"name": "tagproc", "static_layer": map[string]any{"re2.max_program_size.error_level": "32768"},
	}}})
	if err != nil {
		return err
	}
	root.Put(manifest.NewTree(layer, true), "layered_runtime").
		Comment("Envoy 1.36 refuses regular expressions of this size otherwise.", "layered_runtime")
	return nil
}

// logged returns the tag headers that the access log shows.
func (s *standalone) logged(h headers) (names []string) {
	names = slices.Clone(h.owned.Headers)
	for _, r := range s.routes {
		if !slices.Contains(names, r.Header) {
			names = append(names, r.Header)
		}
	}
	return names
}
