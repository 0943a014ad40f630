package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
)

// TestVisitors checks that both releases of Envoy take what is printed for rules that
// give ids to visitors, in either phase, and give them: once, and to nobody else.
func TestVisitors(t *testing.T) {
	envoytest.Each(t, testVisitors)
}

func testVisitors(t *testing.T, binary string) {
	t.Helper()
	for _, c := range []struct {
		phase Phase
		path  DataPath
	}{{PhaseRouter, ExtProc}, {PhaseAuthn, ExtProc}, {PhaseRouter, Lua}, {PhaseAuthn, Lua}} {
		t.Run(string(c.phase)+" "+string(c.path), func(t *testing.T) {
			t.Parallel()
			table := load(t, `
tagHeaders: {headers: [x-tag, x-other]}
rules:
- {name: a, match: {paths: [{prefix: /}]}, keys: [{header: x-user-id}, {visitor: {cookie: v}}], tagHeader: x-tag, policies: [{range: 100, tagValue: v}]}
- {name: b, keys: [{query: uid}, {visitor: {cookie: w, secure: false}}], tagHeader: x-other, policies: [{range: 100, tagValue: v}]}
`)
			o, listener := options(), listen(t, false)
			o.Address, o.Timeout, o.Phase, o.DataPath = "unix://"+listener.Addr().String(), limit, c.phase, c.path
			serve(t, listener, table)
			gateway := start(t, binary, bootstrap(t, decode(t, render(t, table, o)), []string{"x-tag"}))
			for _, tt := range []struct {
				name, path string
				header     http.Header
				cookies    string // names of those that are given
			}{
				{"nobody", "/", nil, "v w"},
				{"a user", "/?uid=7", http.Header{"X-User-Id": {"jack"}}, ""},
				{"a user of one rule", "/", http.Header{"X-User-Id": {"jack"}}, "w"},
				{"a visitor", "/", http.Header{"Cookie": {"v=0123456789abcdef0123456789abcdef; w=0123456789abcdef0123456789abcdef"}}, ""},
				{"a wrong cookie", "/?uid=7", http.Header{"Cookie": {"v=1"}}, "v"},
			} {
				request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+gateway+tt.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				if tt.header != nil {
					request.Header = tt.header
				}
				response, err := http.DefaultTransport.RoundTrip(request)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, c := range response.Cookies() {
					names = append(names, c.Name)
				}
				if got := strings.Join(names, " "); got != tt.cookies || string(body) != "x-tag" {
					t.Errorf("%s is given the cookies %q and comes to %q, want %q and x-tag", tt.name, got, body, tt.cookies)
				}
				if private := response.Header.Get("Cache-Control") == "private"; private != (tt.cookies != "") {
					t.Errorf("the answer to %s has cache-control: %q", tt.name, response.Header.Values("Cache-Control"))
				}
			}
		})
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
