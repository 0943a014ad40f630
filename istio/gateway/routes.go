package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	streamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tagproc/tagproc/accesslog"
	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// A route is where requests with a tag go.
type route struct {
	rules.Tag

	name string // of the route and of its cluster: the tag, with its header where that alone is not unique
	to   envoyfilter.Endpoint
}

// full returns a tag with its header.
func full(t rules.Tag) string { return t.Header + "=" + t.Value }

// baseline is the name of the route of --default, and of its cluster.
const baseline = "default"

// standalone are parsed options.
type standalone struct {
	*Standalone

	listen, fallback, collector envoyfilter.Endpoint

	addresses []envoyfilter.Endpoint
	routes    []route
}

// Check returns an error for each option that cannot be used with the rules of t, which
// begins with the option's name as a flag.
func (o *Standalone) Check(t *rules.Table) error {
	_, err := o.settings(t)
	return err
}

func (o *Standalone) settings(t *rules.Table) (*standalone, error) {
	s := &standalone{Standalone: o}
	errs := []error{o.check()}
	endpoint := func(flag, text string, to *envoyfilter.Endpoint) {
		var err error
		if *to, err = envoyfilter.ParseEndpoint(text); err != nil {
			errs = append(errs, fmt.Errorf("%s %w", flag, err))
		}
	}
	for _, text := range o.Address {
		var e envoyfilter.Endpoint
		endpoint("--address", text, &e)
		s.addresses = append(s.addresses, e)
	}
	isSocket := func(e envoyfilter.Endpoint) bool { return e.Socket != "" }
	switch {
	case len(o.Address) == 0:
		errs = append(errs, errors.New("--address: expected HOST:PORT or unix:///PATH, where tagproc is"))
	case slices.ContainsFunc(s.addresses, isSocket) && slices.ContainsFunc(s.addresses, envoyfilter.Endpoint.IsName):
		errs = append(errs, errors.New("--address: expected no name beside a socket, which Envoy cannot have in one cluster"))
	}
	errs = append(errs, o.TLS.check(s.addresses))
	if o.Tracing != "" {
		endpoint("--tracing", o.Tracing, &s.collector)
	}
	if o.FiltersOnly {
		if len(o.Routes) > 0 || o.Default != "" {
			errs = append(errs, errors.New("--filters-only: expected no --route and no --default: routes are those of the configuration that is there"))
		}
		return s, errors.Join(errs...)
	}
	endpoint("--listen", o.Listen, &s.listen)
	if s.listen.IsName() && s.listen.Host != "" {
		errs = append(errs, fmt.Errorf("--listen %q: expected an IP address and a port, as in 0.0.0.0:80, or unix:///PATH", o.Listen))
	}
	if o.Default == "" {
		errs = append(errs, errors.New("--default: expected HOST:PORT, where requests go that no --route takes; or --filters-only"))
	} else {
		endpoint("--default", o.Default, &s.fallback)
	}
	for _, text := range o.Routes {
		r, err := parseRoute(text, t.Tags())
		if err == nil && slices.ContainsFunc(s.routes, func(before route) bool { return before.Tag == r.Tag }) {
			err = errors.New("appears twice: the second one would take no request")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("--route %q: %w", text, err))
			continue
		}
		s.routes = append(s.routes, r)
	}
	for i := range s.routes {
		s.routes[i].name = s.nameOf(s.routes[i].Tag)
	}
	return s, errors.Join(errs...)
}

// nameOf returns the name of the route of a tag. No value has a name of two values.
func (s *standalone) nameOf(tag rules.Tag) string {
	others := []string{baseline, contract.GatewayFilter}
	if s.Tracing != "" {
		others = append(others, tracingCluster)
	}
	for _, r := range s.routes {
		if r.Tag != tag {
			others = append(others, r.Value, full(r.Tag))
		}
	}
	if slices.Contains(others, tag.Value) {
		return full(tag)
	}
	return tag.Value
}

// parseRoute reads TAG=HOST:PORT, or TAG_HEADER=TAG=HOST:PORT. Tags may have equals signs:
// the longest of those that the text begins with is meant.
func parseRoute(text string, tags []rules.Tag) (route, error) {
	var found []rules.Tag
	address := text
	for _, tag := range tags {
		rest, ok := afterTag(text, tag)
		switch {
		case !ok || len(found) > 0 && len(rest) > len(address):
		case len(rest) < len(address):
			found, address = []rules.Tag{tag}, rest
		default:
			found = append(found, tag)
		}
	}
	if len(found) > 1 {
		var forms []string
		for _, tag := range found {
			forms = append(forms, full(tag)+"="+address)
		}
		return route{}, fmt.Errorf("several tag headers have this tag; expected %s", strings.Join(forms, " or "))
	}
	if len(found) == 0 {
		tag, _, ok := strings.CutLast(text, "=")
		if !ok {
			return route{}, errors.New("expected TAG=HOST:PORT or TAG_HEADER=TAG=HOST:PORT, as in s2=127.0.0.1:8082")
		}
		return route{}, unknownTag(tag, tags)
	}
	to, err := envoyfilter.ParseEndpoint(address)
	return route{Tag: found[0], to: to}, err
}

// afterTag returns what stands in text behind a tag, with its header or without.
func afterTag(text string, tag rules.Tag) (rest string, ok bool) {
	if header, behind, _ := strings.Cut(text, "="); strings.EqualFold(header, tag.Header) {
		if rest, ok = strings.CutPrefix(behind, tag.Value+"="); ok {
			return rest, true
		}
	}
	return strings.CutPrefix(text, tag.Value+"=")
}

// mostNamed is the most tags that a message names.
const mostNamed = 20

// unknownTag returns an error that says which tags there are.
func unknownTag(got string, tags []rules.Tag) error {
	var values, names []string
	for _, tag := range tags {
		values, names = append(values, tag.Value), append(names, full(tag))
	}
	if len(names) == 0 {
		return errors.New("the rules give no tag")
	}
	near := cmp.Or(source.Nearest(got, names), source.Nearest(got, values))
	more := ""
	if len(names) > mostNamed {
		names, more = names[:mostNamed], " …"
	}
	return fmt.Errorf("no rule gives the tag %s%s; they give %s%s", source.Shorten(got), source.DidYouMean(near), strings.Join(names, ", "), more)
}

// Unrouted returns a warning for each tag that rules write and that no route takes. The
// tag that the last policy of a rule gives to all who are left needs none: it is the
// baseline, where --default leads.
func (o *Standalone) Unrouted(t *rules.Table) (warnings []string) {
	s, err := o.settings(t)
	if err != nil || o.FiltersOnly {
		return nil
	}
	taken := map[rules.Tag]bool{}
	headers := map[string]bool{}
	for _, r := range s.routes {
		taken[r.Tag], headers[r.Header] = true, true
	}
	for _, r := range t.Rules() {
		if r.Mode != rules.ModeEnforce {
			continue
		}
		last := r.Policies[len(r.Policies)-1]
		var values []string
		for _, v := range r.Overrides {
			values = append(values, v.TagValue)
		}
		for _, p := range r.Policies {
			values = append(values, p.TagValue)
		}
		for _, v := range values {
			tag := rules.Tag{Header: r.TagHeader, Value: v}
			isBaseline := headers[r.TagHeader] && v == last.TagValue && last.Range == r.Modulo && last.Ramp == nil
			if v == "" || taken[tag] || isBaseline {
				continue
			}
			taken[tag] = true // told
			warnings = append(warnings, fmt.Sprintf("the tag %s has no --route: requests with it go to --default, unless a route for another tag takes them", full(tag)))
		}
	}
	return warnings
}

// routeConfig returns the routes: by tag, and the default.
func (s *standalone) routeConfig() *routev3.RouteConfiguration {
	to := func(name string, headers ...*routev3.HeaderMatcher) *routev3.Route {
		return &routev3.Route{
			Name:  name,
			Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}, Headers: headers},
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{
				ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: name},
			}},
		}
	}
	var routes []*routev3.Route
	for _, r := range s.routes {
		routes = append(routes, to(r.name, &routev3.HeaderMatcher{
			Name:                 r.Header,
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: envoyfilter.Exact(r.Value)},
		}))
	}
	return &routev3.RouteConfiguration{
		VirtualHosts: []*routev3.VirtualHost{{Name: ingress, Domains: []string{"*"}, Routes: append(routes, to(baseline))}},
	}
}

// clusters returns those of the routes.
func (s *standalone) clusters() (trees []*manifest.Tree, err error) {
	for _, r := range append(slices.Clone(s.routes), route{name: baseline, to: s.fallback}) {
		c := envoyfilter.Cluster(r.name, r.to)
		if err := envoyfilter.Validate(c); err != nil {
			return nil, err
		}
		trees = append(trees, manifest.NewTree(c, true))
	}
	return trees, nil
}

// accessLog returns a log of a line per request, with tags, the route, and what tagproc
// said. It has no key: an id of a user is personal data.
func accessLog(tags []string, d DataPath, asJSON bool) ([]*accesslogv3.AccessLog, error) {
	if asJSON {
		format, err := structpb.NewStruct(accesslog.Format(tags, d == ExtProc))
		if err != nil {
			return nil, err
		}
		return stdoutLog(&corev3.SubstitutionFormatString{Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: format}})
	}
	var line strings.Builder
	line.WriteString("%START_TIME% %REQ(:AUTHORITY)%")
	for _, name := range tags {
		fmt.Fprintf(&line, " %s=%%REQ(%s)%%", strings.ReplaceAll(name, "%", "%%"), strings.ToUpper(name))
	}
	line.WriteString(" route=%ROUTE_NAME% status=%RESPONSE_CODE% flags=%RESPONSE_FLAGS%")
	if d == ExtProc {
		line.WriteString(" tagproc=%FILTER_STATE(tagproc:FIELD:request_header_call_status)%")
	}
	line.WriteString(" why=%DYNAMIC_METADATA(tagproc)%\n")
	return stdoutLog(&corev3.SubstitutionFormatString{Format: &corev3.SubstitutionFormatString_TextFormatSource{
		TextFormatSource: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: line.String()}},
	}})
}

func stdoutLog(format *corev3.SubstitutionFormatString) ([]*accesslogv3.AccessLog, error) {
	config, err := envoyfilter.Pack(&streamv3.StdoutAccessLog{AccessLogFormat: &streamv3.StdoutAccessLog_LogFormat{LogFormat: format}})
	if err != nil {
		return nil, err
	}
	return []*accesslogv3.AccessLog{{Name: "envoy.access_loggers.stdout", ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: config}}}, nil
}
