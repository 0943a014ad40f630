package lint

import (
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/source"
)

// A patch is one of the configPatches of an EnvoyFilter.
type patch struct {
	place

	filter *networking.EnvoyFilter
	*networking.EnvoyFilter_EnvoyConfigObjectPatch

	bare bool // no patch: it stands in a configuration of Envoy
}

// value returns the place of a part of what is patched in. Envoy's names may be
// written in both forms.
func (p *patch) value(path ...any) place {
	if p.bare {
		return p.in(path...)
	}
	return p.in("patch", "value").in(path...)
}

// An extProc is the ext_proc filter that a patch inserts.
type extProc struct {
	patch

	name   string
	config *extprocv3.ExternalProcessor
}

// part returns the place of a part of the filter's configuration, or of the
// configuration where it is absent.
func (f *extProc) part(path ...any) place { return f.typed(path...) }

// cluster returns the name of the cluster that the filter asks, or "".
func (f *extProc) cluster() string { return f.config.GetGrpcService().GetEnvoyGrpc().GetClusterName() }

// A manager is what a patch changes of the HTTP connection manager.
type manager struct {
	patch

	config *hcmv3.HttpConnectionManager
	early  []*mutationv3.HeaderMutation
}

// A cluster is one that a patch adds.
type cluster struct {
	patch

	config *clusterv3.Cluster
}

// socket returns the path of the Unix socket that the cluster has, or "".
func (c *cluster) socket() string {
	for _, locality := range c.config.GetLoadAssignment().GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			if path := e.GetEndpoint().GetAddress().GetPipe().GetPath(); path != "" {
				return path
			}
		}
	}
	return ""
}

// addEnvoyFilter reads the patches that concern tagproc or what it stands on.
func (m *model) addEnvoyFilter(d *source.Document) {
	spec := &networking.EnvoyFilter{}
	if !m.decode(place{d, []any{"spec"}}, spec) {
		return
	}
	patchAt := func(i int) patch {
		return patch{place: place{d, []any{"spec", "configPatches", i}}, filter: spec, EnvoyFilter_EnvoyConfigObjectPatch: spec.GetConfigPatches()[i]}
	}
	asks := false
	for i := range spec.GetConfigPatches() {
		p := patchAt(i)
		name, _ := p.configType()
		asks = asks || name == extProcType
	}
	for i, c := range spec.GetConfigPatches() {
		p := patchAt(i)
		at := p.value()
		switch c.GetApplyTo() {
		case networking.EnvoyFilter_HTTP_FILTER:
			m.inserted = append(m.inserted, at.text("name"))
			m.addHTTPFilter(p)
		case networking.EnvoyFilter_NETWORK_FILTER:
			if !asks && !isManager(p) {
				continue
			}
			l := &listenerv3.Filter{}
			h := &manager{patch: p, config: &hcmv3.HttpConnectionManager{}}
			if m.decode(at, l) && l.GetTypedConfig().UnmarshalTo(h.config) == nil {
				h.readEarly()
				m.managers = append(m.managers, h)
			}
		case networking.EnvoyFilter_CLUSTER:
			if c.GetPatch().GetOperation() != networking.EnvoyFilter_Patch_ADD {
				continue
			}
			added := &cluster{patch: p, config: &clusterv3.Cluster{Name: at.text("name")}}
			if asks || strings.Contains(at.text("name"), "tagproc") {
				m.decode(at, added.config)
			}
			m.clusters = append(m.clusters, added)
		}
	}
}

// isManager reports whether a patch sets what tagproc stands on.
func isManager(p patch) bool {
	return slices.ContainsFunc([]string{"early_header_mutation_extensions", "max_request_headers_kb", "common_http_protocol_options"},
		func(key string) bool { return p.typed(key).get().Exists() })
}

func (h *manager) readEarly() {
	for _, e := range h.config.GetEarlyHeaderMutationExtensions() {
		mutations := &earlyv3.HeaderMutation{}
		if e.GetTypedConfig().UnmarshalTo(mutations) == nil {
			h.early = append(h.early, mutations.GetMutations()...)
		}
	}
}

// keepTagproc leaves out ext_proc filters for sidecars, such as those that restore tags,
// and filters that ask something else than tagproc, as far as names tell.
func (m *model) keepTagproc() {
	m.filters = slices.DeleteFunc(m.filters, func(f *extProc) bool {
		return !f.bare && !f.hasGatewayContext() && !m.isForGateway(&f.patch)
	})
	isOurs := func(f *extProc) bool { return strings.Contains(f.name+" "+f.cluster()+" "+f.doc.Name, "tagproc") }
	if slices.ContainsFunc(m.filters, isOurs) {
		m.filters = slices.DeleteFunc(m.filters, func(f *extProc) bool { return !isOurs(f) })
	}
}

// decode reads what stands at a place. What the message does not have is a finding,
// and the rest is read all the same; ok says that there is a rest.
func (m *model) decode(at place, message proto.Message) (ok bool) {
	v := at.get()
	if !v.Exists() {
		return true
	}
	fix := "correct it: Istio drops it with a warning that few see, and the setting has no effect"
	if strings.HasPrefix(string(message.ProtoReflect().Descriptor().FullName()), "istio.") {
		fix = "correct it: the API server refuses it, or drops it"
	}
	for _, f := range v.Message(message) {
		p := f.At.Problem(source.Error, kindUnknownField, f.Reason)
		how := fix
		switch f.Sort {
		case source.NullValue:
			continue // as if it were not there
		case source.UnknownType:
			p = f.At.Problem(source.Warning, kindUnknownType, "lint does not know the type "+source.Shorten(f.Name))
			how = "check the spelling: Istio and Envoy refuse a type that they do not know, and the patch with it"
		}
		m.findings = append(m.findings, readFinding{Finding{p, how}, at.doc})
	}
	return v.IsMapping()
}
