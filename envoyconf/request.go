package envoyconf

import (
	"maps"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// A Header is one header of a request.
type Header struct {
	Name  string // in lower case
	Value string
}

// A Request is what a route is chosen by.
type Request struct {
	Method    string // GET if it is empty
	Scheme    string // http if it is empty
	Authority string
	Path      string // with its query; "" only of a CONNECT
	Headers   []Header

	// Open says, by name, which headers have an unknown value, and why.
	Open map[string]string
}

// with returns a copy of r, which can be changed.
func (r *Request) with() *Request {
	c := *r
	c.Headers = append([]Header(nil), r.Headers...)
	c.Open = map[string]string{}
	maps.Copy(c.Open, r.Open)
	if c.Method == "" {
		c.Method = "GET"
	}
	if c.Scheme == "" {
		c.Scheme = "http"
	}
	return &c
}

// Set gives r a header with one value.
func (r *Request) Set(name, value string) {
	r.Remove(name)
	r.Headers = append(r.Headers, Header{name, value})
}

// Remove takes a header from r.
func (r *Request) Remove(name string) {
	kept := r.Headers[:0:0]
	for _, h := range r.Headers {
		if h.Name != name {
			kept = append(kept, h)
		}
	}
	r.Headers = kept
	delete(r.Open, name)
}

// made are headers that Envoy sets, completes or removes by itself before it chooses a
// route: what a client sends is not what a route sees.
var made = map[string]bool{
	"x-request-id": true, "x-forwarded-for": true, "x-forwarded-proto": true, "x-forwarded-client-cert": true, "x-forwarded-host": true,
	"connection": true, "upgrade": true, "keep-alive": true, "proxy-connection": true, "te": true, "transfer-encoding": true, "via": true, "user-agent": true,
	"traceparent": true, "tracestate": true, "expect": true,
}

// values returns the values of a header as routes see it. A reason why it is open says
// that they cannot be told.
func (r *Request) values(name string) (values []string, open string) {
	switch name {
	case ":authority", "host":
		return []string{r.Authority}, ""
	case ":path":
		if r.Path == "" {
			return nil, ""
		}
		return []string{r.Path}, ""
	case ":method":
		return []string{r.Method}, ""
	case ":scheme":
		return []string{r.Scheme}, ""
	}
	if why, is := r.Open[name]; is {
		return nil, why
	}
	if made[name] || strings.HasPrefix(name, "x-envoy-") {
		return nil, "Envoy sets or removes " + name + " itself"
	}
	for _, h := range r.Headers {
		if h.Name == name {
			values = append(values, h.Value)
		}
	}
	return values, ""
}

// A refusal is why a connection manager answers by itself, with which status.
type refusal struct {
	status int
	why    string
}

// arrive returns r as the routes of a connection manager see it, and doubts: what the
// model cannot tell of it.
func (m *Manager) arrive(r *Request, port uint32) (seen *Request, refused *refusal, doubts []string) {
	seen = r.with()
	if why, open := m.path(seen); why != nil || open != "" {
		refused = why
		if open != "" {
			doubts = append(doubts, open)
		}
	}
	if m.GetStripTrailingHostDot() {
		seen.Authority = withoutDot(seen.Authority)
	}
	switch {
	case m.GetStripAnyHostPort():
		seen.Authority = withoutPort(seen.Authority, nil)
	case m.GetStripMatchingHostPort():
		seen.Authority = withoutPort(seen.Authority, &port)
	}
	action := m.GetCommonHttpProtocolOptions().GetHeadersWithUnderscoresAction()
	for _, h := range r.Headers {
		if !strings.Contains(h.Name, "_") {
			continue
		}
		switch action {
		case corev3.HttpProtocolOptions_REJECT_REQUEST:
			refused = &refusal{400, "the header " + h.Name + " has an underscore (headers_with_underscores_action)"}
		case corev3.HttpProtocolOptions_DROP_HEADER:
			seen.Remove(h.Name)
		}
	}
	doubts = append(doubts, m.early(seen)...)
	return seen, refused, doubts
}

// path normalizes the path of r as the connection manager does.
func (m *Manager) path(r *Request) (refused *refusal, open string) {
	if r.Path == "" {
		return nil, ""
	}
	if strings.Contains(r.Path, "#") {
		return nil, "the path has a fragment, which Envoy refuses or removes"
	}
	if strings.ContainsFunc(r.Path, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return &refusal{400, "the path has characters that are not visible ASCII"}, ""
	}
	path, query, hasQuery := strings.Cut(r.Path, "?")
	lower := strings.ToLower(path)
	if m.GetPathWithEscapedSlashesAction() != hcmv3.HttpConnectionManager_KEEP_UNCHANGED && (strings.Contains(lower, "%2f") || strings.Contains(lower, "%5c")) {
		open = "the path has escaped slashes, and path_with_escaped_slashes_action may change it"
	}
	if m.GetNormalizePath().GetValue() {
		if strings.ContainsAny(path, "%\\") || strings.Contains(path, "/.") {
			open = "normalize_path changes a path with dots, percent signs or backslashes"
		}
	}
	if m.GetMergeSlashes() {
		for strings.Contains(path, "//") {
			path = strings.ReplaceAll(path, "//", "/")
		}
	}
	if r.Path = path; hasQuery {
		r.Path += "?" + query
	}
	return nil, open
}

// portStart returns the index of the colon before the port of a host, or -1.
func portStart(host string) int {
	i := strings.LastIndexByte(host, ':')
	if strings.LastIndexByte(host, ']') > i {
		return -1
	}
	return i
}

// withoutPort returns a host without its port: only without this one, unless it is nil.
func withoutPort(host string, port *uint32) string {
	i := portStart(host)
	if i < 0 {
		return host
	}
	n, err := strconv.ParseUint(host[i+1:], 10, 32)
	if err != nil || port != nil && n != uint64(*port) {
		return host
	}
	return host[:i]
}

// withoutDot returns a host without the dot at its end, or before its port.
func withoutDot(host string) string {
	i := strings.LastIndexByte(host, '.')
	switch {
	case i < 0:
		return host
	case i == len(host)-1:
		return host[:i]
	case host[i+1] == ':':
		return host[:i] + host[i+1:]
	}
	return host
}
