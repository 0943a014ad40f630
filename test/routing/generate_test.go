package routing

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// A generator makes configurations and requests of few words, so that routes and
// requests meet.
type generator struct{ *rand.Rand }

func pick[T any](g generator, of ...T) T { return of[g.IntN(len(of))] }

// chance reports true in percent of 100 calls.
func (g generator) chance(percent int) bool { return g.IntN(100) < percent }

type object = map[string]any

var (
	names  = []string{"x-tag", "x-user", "x-n", "cookie", ":method", ":path", ":authority", "host", ":scheme", "x-missing", "content-type", "X-Tag"}
	values = []string{"s1", "s2", "S2", "s", "", "2", "10", "-5", "s1,s2", "a=1; b=2", "GET", "shop.example.com", "äö"}
	hosts  = []string{
		"shop.example.com", "Shop.Example.COM", "shop.example.com:8080", "a.shop.example.com", "example.com", ".example.com", "example.org", "shop.example.com.", "shop",
		"[::1]", "[::1]:8080", "127.0.0.1", "x.example.com", "example.com:port", "a:1:2", "shop.example.com.:8080", "shop.example.com:", "shop.example.com:PORT", "shop.example.com.:PORT", "[::1]:PORT", "b.a.shop.example.com:443",
	}
	domains = []string{
		"shop.example.com", "shop.example.com:8080", "example.com", "*.example.com", "*.shop.example.com", "*-example.com", "*example.com", "shop.*", "shop.example.*", "s*", "*", "[::1]",
		"[::1]:8080", "127.0.0.1", "*.example.com:8080", "*:8080", "EXAMPLE.org", "shop.example.com.", "shop", "*.COM",
	}
	paths = []string{
		"/", "/a", "/A", "/a/", "/a/b", "/ab", "/a/b/c", "/a;v=1", "/a;v=1/b", "//a", "/a//b", "/checkout", "/checkout/x", "/checkouts", "/a.b", "/a?b=1", "/%61", "/a%2Fb", "/a/../b", "/é", "/a;v=1/b;w", "/a;", "/;x/a",
	}
	queries = []string{"", "", "", "?", "?q=1", "?q", "?q=", "?p=1&q=2", "?q=2&q=1", "?Q=1", "?q=%31", "?q=1=2", "?&q=s1", "?x=1#", ";x?q=1/b", "?q=1;x/b"}
	regexes = []string{
		"/a.*", "/[a-z]+", "/(a|b)/?", ".*", "s[12]", "(?i)S2", "^/a$", `/\w+/\w`, `\d+`, "s1|s2", "s.", "[^/]+", "(?:s1,)?s2", `.*\bq=1\b.*`, "shop[.]example[.]com(:\\d+)?",
	}
)

// text generates a StringMatcher.
func (g generator) text() object {
	m := object{}
	switch g.IntN(5) {
	case 0:
		m["exact"] = pick(g, values...)
	case 1:
		m["prefix"] = pick(g, "s", "S", "1", "/a", "shop", "a=")
	case 2:
		m["suffix"] = pick(g, "1", "2", "com", "b=2", "/b")
	case 3:
		m["contains"] = pick(g, "s", ",", "example", "=", "/", "S")
	default:
		return object{"safe_regex": object{"regex": pick(g, regexes...)}}
	}
	if g.chance(30) {
		m["ignore_case"] = true
	}
	return m
}

// header generates a HeaderMatcher.
func (g generator) header() object {
	m := object{"name": pick(g, names...)}
	switch g.IntN(11) {
	case 0, 1, 2, 3:
		m["string_match"] = g.text()
	case 4:
		m["present_match"] = g.chance(60)
	case 5:
		m["range_match"] = object{"start": g.IntN(10) - 6, "end": g.IntN(15)}
	case 6:
		m["exact_match"] = pick(g, values...)
	case 7:
		m["prefix_match"] = pick(g, "s", "a", "/a")
	case 8:
		m["suffix_match"] = pick(g, "2", "com")
	case 9:
		m["contains_match"] = pick(g, "s", ",")
	}
	if g.chance(30) {
		m["invert_match"] = true
	}
	if g.chance(30) {
		m["treat_missing_header_as_empty"] = true
	}
	return m
}

func (g generator) match() object {
	m := object{}
	switch g.IntN(10) {
	case 0, 1, 2, 3:
		m["prefix"] = pick(g, "/", "/", "/a", "/A", "/checkout", "", "/a/", "/a?b", "//a")
	case 4, 5:
		m["path"] = pick(g, paths...)
	case 6:
		m["safe_regex"] = object{"regex": pick(g, regexes...)}
	case 7, 8:
		m["path_separated_prefix"] = pick(g, "/a", "/A", "/checkout", "/a/b")
	default:
		m["prefix"] = "/"
	}
	if g.chance(20) {
		m["case_sensitive"] = g.chance(30)
	}
	if g.chance(60) {
		var headers []any
		for range 1 + g.IntN(2) {
			headers = append(headers, g.header())
		}
		m["headers"] = headers
	}
	if g.chance(15) {
		q := object{"name": pick(g, "q", "Q", "p", "")}
		if q["name"] == "" {
			q["name"] = "q"
		}
		if g.chance(50) {
			q["string_match"] = g.text()
		} else if g.chance(70) {
			q["present_match"] = true
		}
		m["query_parameters"] = []any{q}
	}
	if g.chance(5) {
		m["grpc"] = object{}
	}
	if g.chance(8) {
		m["runtime_fraction"] = object{"default_value": object{"numerator": pick(g, 0, 100, 100, 50), "denominator": "HUNDRED"}}
	}
	return m
}

// routes generates a route configuration. Each route answers with its name in x-route.
func (g generator) routes() object {
	free := g.Perm(len(domains))
	taken := map[string]bool{}
	var virtual []any
	for h := range 1 + g.IntN(4) {
		var own []any
		for range 1 + g.IntN(3) {
			if d := domains[free[0]]; !taken[d] {
				own = append(own, d)
				taken[d] = true
			}
			free = free[1:]
		}
		var list []any
		for i := range 1 + g.IntN(6) {
			name := fmt.Sprintf("%d/%d", h, i)
			list = append(list, object{
				"name": name, "match": g.match(), "direct_response": object{"status": 200},
				"response_headers_to_add": []any{object{"header": object{"key": "x-route", "value": name}}},
			})
		}
		host := object{"name": fmt.Sprint(h), "domains": own, "routes": list}
		if g.chance(3) {
			host["require_tls"] = "ALL"
		}
		virtual = append(virtual, host)
	}
	c := object{"name": "generated", "virtual_hosts": virtual}
	if g.chance(25) {
		c["ignore_port_in_host_matching"] = true
	}
	if g.chance(25) {
		c["ignore_path_parameters_in_path_matching"] = true
	}
	return c
}

// listener generates a listener with a connection manager.
func (g generator) listener(name string) object {
	m := object{
		"@type":        "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"stat_prefix":  "generated",
		"route_config": g.routes(),
		"http_filters": []any{object{"name": "envoy.filters.http.router", "typed_config": object{"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}},
	}
	switch g.IntN(6) {
	case 0:
		m["strip_any_host_port"] = true
	case 1:
		m["strip_matching_host_port"] = true
	}
	for _, option := range []string{"strip_trailing_host_dot", "merge_slashes", "normalize_path"} {
		if g.chance(20) {
			m[option] = true
		}
	}
	if g.chance(20) {
		var mutations []any
		for range 1 + g.IntN(2) {
			mutations = append(mutations, pick(g,
				object{"remove": "x-tag"},
				object{"append": object{"header": object{"key": "x-tag", "value": "s2"}, "append_action": pick(g, "APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS", "OVERWRITE_IF_EXISTS_OR_ADD")}},
				object{"remove_on_match": object{"key_matcher": object{"prefix": "x-u"}}},
				object{"remove_on_match": object{"key_matcher": object{"safe_regex": object{"regex": "x[^a-z]tag"}}}},
			))
		}
		m["early_header_mutation_extensions"] = []any{object{"name": "early", "typed_config": object{
			"@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation", "mutations": mutations,
		}}}
	}
	return object{
		"name":    name,
		"address": object{"socket_address": object{"address": "127.0.0.1", "port_value": 0}},
		"filter_chains": []any{object{"filters": []any{
			object{"name": "envoy.filters.network.http_connection_manager", "typed_config": m},
		}}},
	}
}

// A request is one as it is written to the connection.
type request struct {
	method, host, path string
	headers            [][2]string
}

// request generates a request to a listener at a port.
func (g generator) request(port int) request {
	r := request{method: pick(g, "GET", "GET", "GET", "POST", "DELETE"), host: pick(g, hosts...), path: pick(g, paths...) + pick(g, queries...)}
	r.host = strings.ReplaceAll(r.host, "PORT", strconv.Itoa(port))
	for range g.IntN(4) {
		name := pick(g, "x-tag", "X-Tag", "x-user", "x-n", "cookie", "content-type", "x_tag", "x-other")
		value := pick(g, values...)
		if name == "content-type" {
			value = pick(g, "application/grpc", "application/grpc+proto", "application/grpc-web", "text/plain")
		}
		r.headers = append(r.headers, [2]string{name, value})
	}
	return r
}
