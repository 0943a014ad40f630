package envoygateway

import (
	"cmp"
	"fmt"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/gateway"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// API groups.
const (
	group      = "gateway.envoyproxy.io"
	apiVersion = group + "/v1alpha1"
)

// The most that may be at tagproc at a time, as in istio/envoyfilter.
const (
	maxRequests = 10_000
	maxRetries  = 1_000
)

// targetRef names what a policy is for.
type targetRef struct {
	Group string `yaml:"group"`
	Kind  string `yaml:"kind"`
	Name  string `yaml:"name"`
}

// backendRef names a Service or a Backend.
type backendRef struct {
	Group     string `yaml:"group,omitempty"`
	Kind      string `yaml:"kind"`
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace,omitempty"`
	Port      uint16 `yaml:"port,omitempty"`
}

// extProc is how Envoy asks tagproc.
type extProc struct {
	BackendRefs     []backendRef    `yaml:"backendRefs"`
	BackendSettings backendSettings `yaml:"backendSettings"`
	FailOpen        bool            `yaml:"failOpen"`
	MessageTimeout  string          `yaml:"messageTimeout"`
	ProcessingMode  processingMode  `yaml:"processingMode"`
	Metadata        metadata        `yaml:"metadata"`
}

type backendSettings struct {
	CircuitBreaker circuitBreaker `yaml:"circuitBreaker"`
	Timeout        timeout        `yaml:"timeout"`
	Retry          *retry         `yaml:"retry,omitempty"`
}

type circuitBreaker struct {
	MaxPendingRequests  int `yaml:"maxPendingRequests"`
	MaxParallelRequests int `yaml:"maxParallelRequests"`
	MaxParallelRetries  int `yaml:"maxParallelRetries,omitempty"`
}

type timeout struct {
	TCP struct {
		ConnectTimeout string `yaml:"connectTimeout"`
	} `yaml:"tcp"`
}

type retry struct {
	NumRetries int `yaml:"numRetries"`
	RetryOn    struct {
		Triggers []string `yaml:"triggers,flow"`
	} `yaml:"retryOn"`
}

type processingMode struct {
	Request struct{} `yaml:"request"`
}

type metadata struct {
	WritableNamespaces []string `yaml:"writableNamespaces,flow"`
}

// headerFilter changes headers of a request or of a response.
type headerFilter struct {
	Add           []header `yaml:"add,omitempty"`
	RemoveOnMatch []match  `yaml:"removeOnMatch,omitempty"`
}

type header struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

// match matches the name of a header.
type match struct {
	Type  string `yaml:"type"`
	Value string `yaml:"value"`
}

// Resources returns the resources that make the Envoys of a Gateway ask tagproc. They
// depend on tagHeaders, propagation, trustClientTags and visitors' cookies: tables that
// agree on these have equal resources. An error is about options, and begins with the
// option's name as a flag, or about what the rules need and Envoy Gateway does not have.
func Resources(t *rules.Table, o Options) ([]*manifest.Object, error) {
	s, err := o.settings()
	if err != nil {
		return nil, err
	}
	var removals []match
	for _, m := range gateway.Stripped(t, o.StripClientBaggage) {
		removals = append(removals, matchOf(m))
	}
	if err := checkRules(t, removals); err != nil {
		return nil, err
	}
	objects := []*manifest.Object{s.extensionPolicy(t)}
	if len(removals) > 0 || len(t.Visitors()) > 0 {
		objects = append(objects, s.clientPolicy(t, removals))
	}
	if s.address.Socket != "" {
		return append(objects, s.backend()), nil
	}
	if s.address.Namespace() != s.namespace {
		objects = append(objects, s.grant())
	}
	if s.CA != "" {
		objects = append(objects, s.tlsPolicy())
	}
	return objects, nil
}

// Warnings returns what to know before one applies the resources of these rules.
func Warnings(t *rules.Table) (warnings []string) {
	if !t.DeclaresTagHeaders() {
		warnings = append(warnings, "no tagHeaders are declared, so the gateway removes what clients forge of the tag headers of these rules and no other: "+
			"a rule with a new one needs a new render; declare tagHeaders (or --tag-header, --tag-header-prefix), and such a rule is refused")
	}
	return warnings
}

func (s *settings) object(kind, apiVersion, namespace, comment string, spec *manifest.Tree) *manifest.Object {
	return &manifest.Object{
		APIVersion: apiVersion, Kind: kind, Name: s.Name, Namespace: namespace,
		Labels: map[string]string{"app.kubernetes.io/name": "tagproc"}, Comment: comment, Spec: spec,
	}
}

// service returns the name of tagproc's Service.
func (s *settings) service() string {
	name, _, _ := strings.Cut(s.address.Service, ".")
	return name
}

// gatewayRef returns the target of policies that are for the Gateway.
func (s *settings) gatewayRef() []targetRef {
	return []targetRef{{Group: envoyfilter.GatewayAPI, Kind: "Gateway", Name: s.gateway}}
}

// extensionPolicy returns what has Envoy ask tagproc.
func (s *settings) extensionPolicy(t *rules.Table) *manifest.Object {
	ask := extProc{
		FailOpen:       !s.FailClosed,
		MessageTimeout: fmt.Sprintf("%dms", s.Timeout.Milliseconds()), // a fraction is no duration there
		Metadata:       metadata{WritableNamespaces: []string{contract.MetadataNamespace}},
		BackendSettings: backendSettings{
			CircuitBreaker: circuitBreaker{MaxPendingRequests: maxRequests, MaxParallelRequests: maxRequests},
		},
	}
	ask.BackendSettings.Timeout.TCP.ConnectTimeout = "1s"
	if len(t.Visitors()) > 0 {
		ask.Metadata.WritableNamespaces = append(ask.Metadata.WritableNamespaces, contract.VisitorNamespace)
	}
	if s.address.Socket != "" {
		ask.BackendRefs = []backendRef{{Group: group, Kind: "Backend", Name: s.Name}}
	} else {
		ask.BackendRefs = []backendRef{{Kind: "Service", Name: s.service(), Namespace: s.address.Namespace(), Port: s.address.Port}}
		ask.BackendSettings.CircuitBreaker.MaxParallelRetries = maxRetries
		again := &retry{NumRetries: 1}
		again.RetryOn.Triggers = []string{"connect-failure", "refused-stream", "reset", "unavailable"}
		ask.BackendSettings.Retry = again
	}
	spec := manifest.Encode(struct {
		TargetRefs []targetRef `yaml:"targetRefs"`
		ExtProc    []extProc   `yaml:"extProc"`
	}{s.gatewayRef(), []extProc{ask}})
	at := func(path ...any) []any { return append([]any{"extProc", 0}, path...) }
	spec.Comment("The Gateway and not its routes: tagproc's answer chooses the route again, and the first\n"+
		"route that a request has must ask. A host without a rule that matches no tag has none.", "targetRefs")
	spec.Comment("Every request in flight at tagproc counts here. By default the 1,025th passes\nuntagged.", at("backendSettings", "circuitBreaker")...)
	if ask.BackendSettings.Retry != nil {
		spec.Comment("A tagproc that is killed takes the requests on its connection with it. One\nretry, at another one, saves them.", at("backendSettings", "retry")...)
	}
	if s.FailClosed {
		spec.Comment("A request that tagproc does not answer within messageTimeout is answered by Envoy with\n"+
			"500 or 504. It does not reach the baseline.", at("failOpen")...)
	} else {
		spec.Comment("A request that tagproc does not answer within messageTimeout goes on untagged, to the\nbaseline.", at("failOpen")...)
	}
	spec.Comment("Only the request's headers. Without this line nothing is sent; with a response,\neach request makes a second round trip.", at("processingMode")...)
	namespaces := "What `tagproc serve --metadata` says of its decisions, for access logs."
	if len(t.Visitors()) > 0 {
		namespaces += " And\nids of visitors, for their cookie: never log that namespace."
	}
	spec.Comment(namespaces, at("metadata")...)
	return s.object("EnvoyExtensionPolicy", apiVersion, s.namespace, s.purpose(t), spec)
}

// purpose returns what the resources are for, when to render them again, and what Envoy
// Gateway cannot say.
func (s *settings) purpose(t *rules.Table) string {
	again := "They follow from the tagHeaders, propagation, trustClientTags and visitors' cookies\n" +
		"of the rules: after an edit of these, render them again. For ranges, users, keys and a\nmatch they stay as they are."
	if !t.DeclaresTagHeaders() {
		again = "They follow from the headers that the rules write, for these declare no tagHeaders: a\nrule that writes another header needs a new render."
	}
	return "The Gateway asks tagproc for the tags of each request. For Envoy Gateway 1.9.\n\n" + again + "\n\n" +
		"What Envoy Gateway cannot say, and an EnvoyFilter of Istio can:\n" +
		"- mutation_rules: a tagproc that somebody takes over may change any header but host and\n" +
		"  pseudo-headers, and may answer in the place of an application.\n" +
		"- forward_rules: tagproc is sent every header of a request, cookies and tokens included.\n" +
		fmt.Sprintf("- max_headers_count: tags have to fit into Envoy's defaults of %d headers and %d KiB,\n", contract.DefaultMaxHeaders, contract.DefaultMaxHeaderKB) +
		"  which tagproc serve assumes too: tell it no --max-request-headers.\n\n" +
		"One policy of a kind holds for a Gateway: if there is one, put this spec into it. A policy\n" +
		"of an HTTPRoute takes this one's place there, unless it has mergeType: StrategicMerge."
}

// clientPolicy returns what removes headers of clients, and gives visitors their cookie.
func (s *settings) clientPolicy(t *rules.Table, removals []match) *manifest.Object {
	type headers struct {
		Early *headerFilter `yaml:"earlyRequestHeaders,omitempty"`
		Late  *headerFilter `yaml:"lateResponseHeaders,omitempty"`
	}
	var h headers
	if len(removals) > 0 {
		h.Early = &headerFilter{RemoveOnMatch: removals}
	}
	if len(t.Visitors()) > 0 {
		h.Late = &headerFilter{Add: []header{
			{"set-cookie", "%DYNAMIC_METADATA(" + contract.VisitorNamespace + ":" + contract.SetCookieKey(0) + ")%"},
			{"cache-control", "%DYNAMIC_METADATA(" + contract.VisitorNamespace + ":" + contract.CacheControlKey + ")%"},
		}}
	}
	spec := manifest.Encode(struct {
		TargetRefs []targetRef `yaml:"targetRefs"`
		Headers    headers     `yaml:"headers"`
	}{s.gatewayRef(), h})
	if h.Early != nil {
		spec.Comment("What a client sends of these goes before any route is chosen, in every spelling of - as\n"+
			"well. Names with underscores Envoy Gateway refuses: leave withUnderscoresAction as it is.\n"+
			"tagproc removes forged tags too; without this a dead tagproc lets a forged tag choose the\nroute.", "headers", "earlyRequestHeaders")
	}
	if h.Late != nil {
		spec.Comment("Where tagproc gave a visitor an id, the response has the cookie, and is for nobody else.", "headers", "lateResponseHeaders")
	}
	return s.object("ClientTrafficPolicy", apiVersion, s.namespace, "What of the headers of clients is removed.", spec)
}

// backend returns the Backend of a Unix socket.
func (s *settings) backend() *manifest.Object {
	type unix struct {
		Path string `yaml:"path"`
	}
	type endpoint struct {
		Unix unix `yaml:"unix"`
	}
	spec := manifest.Encode(struct {
		Endpoints []endpoint `yaml:"endpoints"`
	}{[]endpoint{{unix{s.address.Socket}}}})
	return s.object("Backend", apiVersion, s.namespace, "Where tagproc is: a Unix socket, in a volume that an EnvoyProxy mounts into Envoy's pods.\n"+
		"Needs extensionApis.enableBackend: true in the configuration of Envoy Gateway.", spec)
}

// grant returns what allows the policy to name a Service of another namespace.
func (s *settings) grant() *manifest.Object {
	type from struct {
		Group     string `yaml:"group"`
		Kind      string `yaml:"kind"`
		Namespace string `yaml:"namespace"`
	}
	spec := manifest.Encode(struct {
		From []from      `yaml:"from"`
		To   []targetRef `yaml:"to"`
	}{[]from{{group, "EnvoyExtensionPolicy", s.namespace}}, []targetRef{{Kind: "Service", Name: s.service()}}})
	return s.object("ReferenceGrant", envoyfilter.GatewayAPI+"/v1beta1", s.address.Namespace(),
		"The policy may name the Service, which is in another namespace.", spec)
}

// tlsPolicy returns what has Envoy speak TLS with tagproc.
func (s *settings) tlsPolicy() *manifest.Object {
	type validation struct {
		CA       []targetRef `yaml:"caCertificateRefs"`
		Hostname string      `yaml:"hostname"`
	}
	spec := manifest.Encode(struct {
		TargetRefs []targetRef `yaml:"targetRefs"`
		Validation validation  `yaml:"validation"`
	}{
		[]targetRef{{Kind: "Service", Name: s.service()}},
		validation{[]targetRef{{Kind: "ConfigMap", Name: s.CA}}, cmp.Or(s.TLSName, s.service()+"."+s.address.Namespace()+".svc")},
	})
	spec.Comment("The name makes a certificate tagproc's: any other of the authority would do without it.", "validation", "hostname")
	return s.object("BackendTLSPolicy", envoyfilter.GatewayAPI+"/v1", s.address.Namespace(),
		"TLS with tagproc, which is told --tls-cert and --tls-key.", spec)
}

// matchOf returns a matcher of Envoy's as Envoy Gateway has it.
func matchOf(m *matcherv3.StringMatcher) match {
	switch {
	case m.GetSafeRegex() != nil:
		return match{"RegularExpression", m.GetSafeRegex().GetRegex()}
	case m.GetPrefix() != "":
		return match{"Prefix", m.GetPrefix()}
	}
	return match{"Exact", m.GetExact()}
}
