package lint

import (
	"fmt"
	"slices"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/source"
)

// A patch is one of the configPatches of an EnvoyFilter.
type patch struct {
	place

	filter *networking.EnvoyFilter
	*networking.EnvoyFilter_EnvoyConfigObjectPatch
}

// value returns the place of a part of what is patched in. Envoy's names may be
// written in both forms.
func (p *patch) value(path ...any) place {
	return p.in("patch", "value").in(path...)
}

// An extProc is the ext_proc filter that a patch inserts.
type extProc struct {
	patch
	*lint.Filter
}

// A cookieWriter is the filter, in a patch, that writes what tagproc gives visitors.
type cookieWriter struct {
	patch
	*lint.Writer
}

// A manager is what a patch changes of the HTTP connection manager.
type manager struct {
	patch
	*lint.Manager
}

// A cluster is one that a patch adds.
type cluster struct {
	patch
	*lint.Cluster
}

// socketOf returns the path of the Unix socket that a cluster has, or "".
func socketOf(c *lint.Cluster) string {
	for _, locality := range c.GetLoadAssignment().GetEndpoints() {
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
	m.reportSnakeCase(place{d, []any{"spec"}})
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
		case networking.EnvoyFilter_EXTENSION_CONFIG:
			m.addHTTPFilter(p)
		case networking.EnvoyFilter_HTTP_FILTER:
			m.inserted = append(m.inserted, at.text("name"))
			m.addHTTPFilter(p)
		case networking.EnvoyFilter_NETWORK_FILTER:
			if !asks && !isManager(p) {
				continue
			}
			l := &listenerv3.Filter{}
			config := &hcmv3.HttpConnectionManager{}
			if m.decode(at, l) && l.GetTypedConfig().UnmarshalTo(config) == nil {
				m.managers = append(m.managers, &manager{p, lint.NewManager(config, p.typed().get())})
			}
		case networking.EnvoyFilter_CLUSTER:
			if c.GetPatch().GetOperation() != networking.EnvoyFilter_Patch_ADD {
				continue
			}
			added := &cluster{p, &lint.Cluster{Cluster: &clusterv3.Cluster{Name: at.text("name")}, At: at.get()}}
			if asks || strings.Contains(at.text("name"), "tagproc") {
				m.decode(at, added.Cluster.Cluster)
			}
			m.clusters = append(m.clusters, added)
		}
	}
}

// reportSnakeCase finds keys of the EnvoyFilter itself that are written as in Envoy's proto
// files. The API server knows no such fields, and drops or refuses them; what is patched in is Envoy's,
// which takes both forms.
func (m *model) reportSnakeCase(at place) {
	v := at.get()
	for _, e := range v.Entries() {
		if i := strings.IndexByte(e.Key(), '_'); i > 0 {
			camel := e.Key()[:i] + strings.ToUpper(e.Key()[i+1:i+2]) + e.Key()[i+2:]
			p := e.KeyPlace().Problem(source.Error, kindUnknownField, fmt.Sprintf("there is no field %q here%s", source.Shorten(e.Key()), source.DidYouMean(camel)))
			m.findings = append(m.findings, readFinding{Finding{Problem: p, Fix: "correct it: the API server refuses it, or drops it"}, at.doc})
		}
		if key := e.Key(); key != "value" && key != "labels" {
			m.reportSnakeCase(at.in(key))
		}
	}
	for i := range v.Elements() {
		m.reportSnakeCase(at.in(i))
	}
}

// isManager reports whether a patch sets what tagproc stands on.
func isManager(p patch) bool {
	return slices.ContainsFunc([]string{"early_header_mutation_extensions", "max_request_headers_kb", "common_http_protocol_options"},
		func(key string) bool { return p.typed(key).get().Exists() })
}

// keepTagproc leaves out ext_proc filters for sidecars, such as those that restore tags,
// and filters that ask something else than tagproc, as far as names tell.
func (m *model) keepTagproc() {
	m.filters = slices.DeleteFunc(m.filters, func(f *extProc) bool { return !f.hasGatewayContext() && !m.isForGateway(&f.patch) })
	side := &lint.Side{Patches: true}
	for _, f := range m.filters {
		side.Filters = append(side.Filters, f.Filter)
	}
	for _, s := range m.sets() {
		m.judged.Rules = append(m.judged.Rules, &lint.Rules{At: s.get(), Table: s.table})
	}
	m.judged.Sides = append(m.judged.Sides, side)
	m.judged.Settle()
	m.filters = slices.DeleteFunc(m.filters, func(f *extProc) bool { return !slices.Contains(side.Filters, f.Filter) })
	m.keepManagers()
	for _, w := range m.writers {
		side.Writers = append(side.Writers, w.Writer)
	}
	for _, h := range m.managers {
		side.Managers = append(side.Managers, h.Manager)
	}
	for _, c := range m.clusters {
		side.Clusters = append(side.Clusters, c.Cluster)
	}
}

// asking returns the filters that ask tagproc, of patches and of Envoys.
func (m *model) asking() (fs []*lint.Filter) {
	for _, s := range m.judged.Sides {
		fs = append(fs, s.Filters...)
	}
	return fs
}

// askedClusters returns the clusters that they ask, as far as they are there.
func (m *model) askedClusters() (cs []*lint.Cluster) {
	for _, s := range m.judged.Sides {
		cs = append(cs, s.Asked()...)
	}
	return cs
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
		m.findings = append(m.findings, readFinding{Finding{Problem: p, Fix: how}, at.doc})
	}
	return v.IsMapping()
}
