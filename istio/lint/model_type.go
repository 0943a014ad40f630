package lint

import (
	"fmt"
	"regexp"

	"github.com/agnivade/levenshtein"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/lint"
	"github.com/tagproc/tagproc/source"
)

// Types of the HTTP filters that are read.
const (
	extProcType        = "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"
	headerMutationType = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
)

// config returns the place of the typed_config, or of what is patched in if there is none.
func (p *patch) config() place {
	for _, key := range []string{"typed_config", "typedConfig"} {
		if p.value(key).get().Exists() {
			return p.value(key)
		}
	}
	return p.value()
}

// isTypedStruct reports whether the configuration is a Struct beside the name of its
// type, which Envoy takes for the type itself.
func (p *patch) isTypedStruct() bool {
	return lint.IsTypedStruct(p.config().get())
}

// typed returns the place of a part of the configuration.
func (p *patch) typed(path ...any) place {
	if p.isTypedStruct() {
		return p.config().in("value").in(path...)
	}
	return p.config().in(path...)
}

// configType returns the name of the type of the configuration, and where it is written.
func (p *patch) configType() (name string, at place) {
	at = p.config().in("@type")
	if p.isTypedStruct() {
		for _, key := range []string{"type_url", "typeUrl"} {
			if at = p.config().in(key); at.get().Exists() {
				break
			}
		}
	}
	return lint.TypeName(at.text()), at
}

// decodeConfig reads the configuration of an HTTP filter.
func (m *model) decodeConfig(p *patch, config proto.Message) bool {
	if p.isTypedStruct() {
		return m.decode(p.typed(), config)
	}
	h := &hcmv3.HttpFilter{}
	return m.decode(p.value(), h) && h.GetTypedConfig().UnmarshalTo(config) == nil
}

// addHTTPFilter reads a filter that asks tagproc, or that writes what tagproc gives
// visitors.
func (m *model) addHTTPFilter(p patch) {
	switch name, at := p.configType(); {
	case name == extProcType:
		f := &lint.Filter{ExternalProcessor: &extprocv3.ExternalProcessor{}, At: p.value().get(), Config: p.typed().get(), Name: p.value().text("name"), Object: p.doc.Name}
		if m.decodeConfig(&p, f.ExternalProcessor) {
			m.filters = append(m.filters, &extProc{p, f})
		}
	case name == headerMutationType:
		w := &cookieWriter{p, &lint.Writer{HeaderMutation: &headermutationv3.HeaderMutation{}, Config: p.typed().get()}}
		if lint.IsWriter(p.value().get()) && m.decodeConfig(&p, w.HeaderMutation) {
			m.writers = append(m.writers, w)
		}
	case p.resemblesExtProc(name):
		what := "a filter without @type is none that Envoy knows"
		if name != "" {
			what = name[:min(len(name), 100)] + " is not the type of an ext_proc filter"
		}
		effect := ": Istio refuses the patch, and the gateway does not ask tagproc"
		if p.isTypedStruct() {
			effect = ": Envoy refuses the listener, and the gateway goes on with the one before, or with none"
		}
		m.findings = append(m.findings, readFinding{Finding{
			Problem: at.problem(source.Error, kindFilterType, what+effect),
			Fix:     fmt.Sprintf("write type.googleapis.com/%s", extProcType),
		}, p.doc})
	}
}

var extProcLike = regexp.MustCompile(`(?i)ext[_.-]?proc|external_?proc`)

// resemblesExtProc reports whether a filter of a type is meant to ask tagproc.
func (p *patch) resemblesExtProc(name string) bool {
	if name != "" {
		return extProcLike.MatchString(name) || levenshtein.ComputeDistance(name, extProcType) < 6
	}
	if p.value("config_discovery").get().Exists() || p.value("configDiscovery").get().Exists() {
		return false // its configuration is a patch of its own (EXTENSION_CONFIG)
	}
	return p.value().text("name") == contract.GatewayFilter || p.config().in("grpc_service").get().Exists() || p.config().in("grpcService").get().Exists()
}
