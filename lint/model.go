package lint

import (
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	headerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A Model is what checks look at.
type Model struct {
	Rules  []*Rules
	Sides  []*Side
	Envoys []*Envoy

	// Manifests says that the Envoys are made of manifests, which fixes then speak of.
	Manifests bool
	// Complete says that the Envoys are all that route by tags: a tag header that none
	// of them matches is for nobody.
	Complete bool
	// Origin returns where what stands in a configuration comes from; nil: from there.
	// Findings, and what they name besides, have that place.
	Origin func(v source.Value) source.Value
	// Scoped reports whether a route, by its origin, is meant for some Envoys alone; nil:
	// none is.
	Scoped func(origin source.Value) bool
}

// Rules is a rules file.
type Rules struct {
	At    source.Value // the mapping with the key rules
	Table *rules.Table
}

// Rule returns the place of the rule of index i, or of a part of it.
func (r *Rules) Rule(i int, path ...any) source.Value { return r.At.Get("rules", i).Get(path...) }

// An Envoy is the configuration of one.
type Envoy struct {
	*envoyconf.Config

	Name    string // in messages; "": there is no other
	Open    bool   // it has routes that the configuration lacks
	Gateway bool   // clients reach it, and tags are not to be believed
}

// A Side is what has requests of one gateway tagged: an HTTP connection manager and its
// filters, or the patches that make them so.
type Side struct {
	Filters  []*Filter
	Writers  []*Writer
	Managers []*Manager
	Clusters []*Cluster

	// Patches says that the parts are patches of EnvoyFilters, which a control plane
	// puts in their place.
	Patches bool
	Open    bool // there may be clusters beside Clusters

	of    *envoyconf.Manager  // nil: not known
	chain []*envoyconf.Filter // the filters in their order; nil: not known
}

// A Filter is an ext_proc filter that asks tagproc.
type Filter struct {
	*extprocv3.ExternalProcessor

	At     source.Value // the filter
	Config source.Value // its configuration
	Name   string
	Object string // the name of the object that it stands in
}

// Cluster returns the name of the cluster that the filter asks, or "".
func (f *Filter) Cluster() string { return f.GetGrpcService().GetEnvoyGrpc().GetClusterName() }

// GRPC returns the place of a part of how the filter asks.
func (f *Filter) GRPC(path ...any) source.Value {
	return f.Config.Get("grpc_service", "envoy_grpc").Get(path...)
}

// IsSelective reports whether the filter says which headers tagproc is sent: keys
// and tags.
func (f *Filter) IsSelective() bool { return f.GetForwardRules().GetAllowedHeaders() != nil }

// Forwards reports whether a header is sent to tagproc.
func (f *Filter) Forwards(name string) bool {
	return envoyconf.Forwards(f.GetForwardRules(), name).Answer == envoyconf.Yes
}

// allows reports whether tagproc may change a header.
func (f *Filter) allows(name string) bool {
	return envoyconf.Allows(f.GetMutationRules(), name).Answer == envoyconf.Yes
}

// A Writer is the filter that writes what tagproc gives visitors into the response.
type Writer struct {
	*headerv3.HeaderMutation

	Config source.Value
}

// IsWriter reports whether the configuration of a header_mutation filter has to do with
// visitors.
func IsWriter(config source.Value) bool {
	text, err := config.YAML(source.MaxFileSize)
	return err == nil && strings.Contains(string(text), contract.VisitorNamespace)
}

// A Manager is an HTTP connection manager, or what a patch changes of one.
type Manager struct {
	*hcmv3.HttpConnectionManager

	Config source.Value

	early []*mutationv3.HeaderMutation
}

// NewManager returns m with the place of its configuration.
func NewManager(m *hcmv3.HttpConnectionManager, at source.Value) *Manager {
	h := &Manager{HttpConnectionManager: m, Config: at}
	for _, e := range m.GetEarlyHeaderMutationExtensions() {
		mutations := &earlyv3.HeaderMutation{}
		if e.GetTypedConfig().UnmarshalTo(mutations) == nil {
			h.early = append(h.early, mutations.GetMutations()...)
		}
	}
	return h
}

// StripsEarly reports whether it changes headers before any route is chosen.
func (h *Manager) StripsEarly() bool { return len(h.early) > 0 }

// A Cluster is one cluster.
type Cluster struct {
	*clusterv3.Cluster

	At source.Value
}

// Cluster returns the cluster of a name, or nil.
func (s *Side) Cluster(name string) *Cluster {
	for _, c := range s.Clusters {
		if c.GetName() == name {
			return c
		}
	}
	return nil
}

// Asked returns the clusters that the filters ask, as far as they are there.
func (s *Side) Asked() (cs []*Cluster) {
	for _, f := range s.Filters {
		if c := s.Cluster(f.Cluster()); c != nil && !slices.Contains(cs, c) {
			cs = append(cs, c)
		}
	}
	return cs
}

// AddEnvoy adds the configuration of an Envoy, and a Side for each of its connection
// managers that asks tagproc as a gateway does. It reports whether there is one, which makes
// a gateway of an Envoy that is not said to be one.
func (m *Model) AddEnvoy(name string, config *envoyconf.Config, gateway bool) (asks bool) {
	e := &Envoy{Config: config, Name: name}
	m.Envoys = append(m.Envoys, e)
	for _, l := range config.Listeners {
		for _, c := range l.Chains {
			if c.HTTP == nil {
				continue
			}
			e.Open = e.Open || c.HTTP.Routes == nil
			if s := side(c.HTTP, config); s != nil {
				m.Sides = append(m.Sides, s)
				asks = true
			}
		}
	}
	e.Gateway = gateway || asks
	return asks
}

// side returns what a connection manager has tagged, or nil if it does not ask.
func side(http *envoyconf.Manager, config *envoyconf.Config) *Side {
	s := &Side{Open: !config.AllClusters, of: http, chain: http.Filters}
	for _, f := range http.Filters {
		switch c := f.Config.(type) {
		case *extprocv3.ExternalProcessor:
			if !isHop(c) {
				s.Filters = append(s.Filters, &Filter{ExternalProcessor: c, At: f.Value, Config: TypedConfig(f.Value), Name: f.GetName()})
			}
		case *headerv3.HeaderMutation:
			if at := TypedConfig(f.Value); IsWriter(at) {
				s.Writers = append(s.Writers, &Writer{c, at})
			}
		}
	}
	if len(s.Filters) == 0 {
		return nil
	}
	s.Managers = []*Manager{NewManager(http.HttpConnectionManager, http.Value)}
	for _, c := range config.Clusters {
		s.Clusters = append(s.Clusters, &Cluster{c.Cluster, c.Value})
	}
	return s
}

// isHop reports whether a filter says that its requests are not those of a gateway.
func isHop(config *extprocv3.ExternalProcessor) bool {
	for _, h := range config.GetGrpcService().GetInitialMetadata() {
		if h.GetKey() == contract.DirectionKey {
			return h.GetValue() != contract.Gateway.String()
		}
	}
	return false
}

// Settle leaves out filters that ask something else than tagproc, as far as names tell.
func (m *Model) Settle() {
	isOurs := func(f *Filter) bool { return strings.Contains(f.Name+" "+f.Cluster()+" "+f.Object, "tagproc") }
	if !slices.ContainsFunc(m.Sides, func(s *Side) bool { return slices.ContainsFunc(s.Filters, isOurs) }) {
		return
	}
	for _, s := range m.Sides {
		s.Filters = slices.DeleteFunc(s.Filters, func(f *Filter) bool { return !isOurs(f) })
	}
	m.Sides = slices.DeleteFunc(m.Sides, func(s *Side) bool { return len(s.Filters) == 0 && !s.Patches })
}

// TypedConfig returns the configuration of an extension: what stands in its
// typed_config, in the value of a TypedStruct there, or v if it has neither.
func TypedConfig(v source.Value) source.Value {
	for _, key := range []string{"typed_config", "typedConfig"} {
		if config := v.Get(key); config.Exists() {
			if IsTypedStruct(config) {
				return config.Get("value")
			}
			return config
		}
	}
	return v
}

// IsTypedStruct reports whether a configuration is a Struct beside the name of its
// type, which Envoy takes for the type itself.
func IsTypedStruct(config source.Value) bool {
	name := TypeName(config.Text("@type"))
	return name == "udpa.type.v1.TypedStruct" || name == "xds.type.v3.TypedStruct"
}

// TypeName returns the name of a type by its URL.
func TypeName(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }
