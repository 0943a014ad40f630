package processor

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"

	"github.com/tagproc/tagproc/contract"
)

const visitorRules = `
tagHeaders: {headers: [tag-a, tag-b]}
rules:
- {name: a, keys: [{header: x-user-id}, {visitor: {cookie: v}}], tagHeader: tag-a, policies: [{range: 20, tagValue: s2}]}
- {name: b, match: {paths: [{prefix: /b}]}, keys: [{visitor: {cookie: w, maxAge: 1h, domain: example.com}}], tagHeader: tag-b, policies: [{range: 100, tagValue: s2}]}
- {name: c, mode: shadow, keys: [{visitor: {cookie: x}}], tagHeader: tag-b, policies: [{range: 100, tagValue: s2}]}
`

// givenBy returns the dynamic metadata of a reply in the namespace of visitors.
func givenBy(t *testing.T, reply []byte) map[string]any {
	t.Helper()
	var r extprocv3.ProcessingResponse
	if err := proto.Unmarshal(reply, &r); err != nil {
		t.Fatal(err)
	}
	given, _ := r.GetDynamicMetadata().AsMap()[contract.VisitorNamespace].(map[string]any)
	return given
}

// loggedBy returns the dynamic metadata of a reply in the namespace of access logs.
func loggedBy(t *testing.T, reply []byte) map[string]any {
	t.Helper()
	logged, _ := metadataOf(t, reply)[contract.MetadataNamespace].(map[string]any)
	return logged
}

// TestVisitors checks which cookies are given, that they have one id for a request,
// another for the next one, and that a visitor who has an id keeps it.
func TestVisitors(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef"
	for _, tt := range []struct {
		name    string
		headers []string
		want    map[string]string // by the key of the metadata
	}{
		{"nobody", []string{":path", "/"}, map[string]string{
			"set-cookie": "v=ID; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax", "cache-control": "private",
		}},
		{"nobody, two cookies", []string{":path", "/b"}, map[string]string{
			"set-cookie":    "v=ID; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax",
			"set-cookie-2":  "w=ID; Path=/; Max-Age=3600; Domain=example.com; Secure; HttpOnly; SameSite=Lax",
			"cache-control": "private",
		}},
		{"a user", []string{":path", "/", "x-user-id", "jack"}, nil},
		{"a user, and a visitor of the other rule", []string{":path", "/b", "x-user-id", "jack"}, map[string]string{
			"set-cookie-2": "w=ID; Path=/; Max-Age=3600; Domain=example.com; Secure; HttpOnly; SameSite=Lax", "cache-control": "private",
		}},
		{"a known visitor", []string{":path", "/b", "cookie", "v=" + id + "; w=" + id}, nil},
		{"a wrong cookie", []string{":path", "/", "cookie", "v=" + strings.ToUpper(id)}, map[string]string{
			"set-cookie": "v=ID; Path=/; Max-Age=31536000; Secure; HttpOnly; SameSite=Lax", "cache-control": "private",
		}},
	} {
		for _, withMetadata := range []bool{false, true} {
			p := New(Options{Metadata: withMetadata})
			p.SetTable(load(t, visitorRules))
			msg := marshal(t, headersRequest(rawHeaders(tt.headers...)))
			ids := map[string]bool{}
			for range 2 {
				reply, _ := p.NewStream().Reply(nil, msg)
				got := map[string]string{}
				for key, value := range givenBy(t, reply) {
					text := value.(string)
					found := regexp.MustCompile("[0-9a-f]{32}").FindString(text)
					if key != "cache-control" {
						ids[found] = true
						if _, err := http.ParseSetCookie(text); err != nil {
							t.Errorf("%s: %q: %v", tt.name, text, err)
						}
					}
					got[key] = strings.Replace(text, found, "ID", 1)
					if key == "cache-control" {
						got[key] = text
					}
				}
				if len(got) != len(tt.want) {
					t.Errorf("%s: given %q, want %q", tt.name, got, tt.want)
				}
				for key, want := range tt.want {
					if got[key] != want {
						t.Errorf("%s: %s is %q, want %q", tt.name, key, got[key], want)
					}
				}
				if logged, ok := loggedBy(t, reply)["outcome"]; ok != withMetadata {
					t.Errorf("%s: metadata for logs says %v, want some: %v", tt.name, logged, withMetadata)
				}
			}
			if tt.want != nil && len(ids) != 2 {
				t.Errorf("%s: two requests have the ids %v, want one each", tt.name, ids)
			}
		}
	}
}

// TestVisitorKeepsTag checks that the id of a first reply decides the next requests as
// it decided the first, and that nobody but the gateway gives ids.
func TestVisitorKeepsTag(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, visitorRules))
	first := marshal(t, headersRequest(rawHeaders(":path", "/")))
	tagged := 0
	for range 1000 {
		reply, _ := p.NewStream().Reply(nil, first)
		cookie, err := http.ParseSetCookie(givenBy(t, reply)["set-cookie"].(string))
		if err != nil {
			t.Fatal(err)
		}
		again, _ := p.NewStream().Reply(nil, marshal(t, headersRequest(rawHeaders(":path", "/", "cookie", "a=b; v="+cookie.Value))))
		if given := givenBy(t, again); given != nil {
			t.Fatalf("a known visitor is given %v", given)
		}
		var one, two extprocv3.ProcessingResponse
		if proto.Unmarshal(reply, &one) != nil || proto.Unmarshal(again, &two) != nil {
			t.Fatal("a reply is malformed")
		}
		one.DynamicMetadata = nil
		if !proto.Equal(&one, &two) {
			t.Fatalf("the visitor %s gets\n%v and then\n%v", cookie.Value, &one, &two)
		}
		if len(one.GetRequestHeaders().GetResponse().GetHeaderMutation().GetSetHeaders()) > 0 {
			tagged++
		}
	}
	if tagged < 125 || tagged > 275 { // six standard deviations around 200
		t.Errorf("%d of 1000 visitors are tagged, want about 200", tagged)
	}
	everybody := marshal(t, headersRequest(rawHeaders(":path", "/b"))) // has a tag at the gateway, whatever the id
	if reply, _ := p.NewStream().Reply(nil, everybody); !strings.Contains(string(reply), "s2") {
		t.Errorf("a visitor of /b gets no tag: %q", reply)
	}
	for _, d := range []contract.Direction{contract.Recompute, contract.Restore, contract.Collect, contract.UnknownDirection} {
		if reply, _ := p.NewStreamOf(d).Reply(nil, first); givenBy(t, reply) != nil {
			t.Errorf("direction %s gives %v", d, givenBy(t, reply))
		}
		if reply, _ := p.NewStreamOf(d).Reply(nil, everybody); strings.Contains(string(reply), "s2") {
			t.Errorf("direction %s decides by an id that nobody has: %q", d, reply)
		}
	}
}

// TestMetricsOfLanguage checks the label key, what no_match and absent keys count, and
// that ids are in no label.
func TestMetricsOfLanguage(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	p.SetTable(load(t, `
rules:
- {name: a, match: {hosts: [shop.example.com]}, keys: [{header: x-user-id}, {cookie: uid}, {query: uid}, {visitor: {cookie: v}}], tagHeader: tag, policies: [{range: 100, tagValue: s2}]}
`))
	for _, headers := range [][]string{
		{":authority", "shop.example.com", "x-user-id", "jack", "cookie", "uid=jack"},
		{":authority", "shop.example.com", "cookie", "uid=jack"},
		{":authority", "shop.example.com", ":path", "/?uid=jack"},
		{":authority", "shop.example.com"},
		{":authority", "other.example.com", "x-user-id", "jack"},
	} {
		p.NewStream().Reply(nil, marshal(t, headersRequest(rawHeaders(headers...))))
	}
	for labels, want := range map[[3]string]float64{
		{"s2", "policy", "header x-user-id"}: 1, {"s2", "policy", "cookie uid"}: 1, {"s2", "policy", "query uid"}: 1, {"s2", "policy", "visitor v"}: 1,
		{"", "no_match", ""}: 1,
	} {
		if got := float64(p.metrics.decisions.counts[[5]string{"a", "enforce", labels[0], labels[1], labels[2]}].total()); got != want {
			t.Errorf("decisions %q: %v, want %v", labels, got, want)
		}
	}
	for key, want := range map[string]float64{"header x-user-id": 3, "cookie uid": 2, "query uid": 1, "visitor v": 3} {
		if got := testutil.ToFloat64(p.metrics.absent.WithLabelValues(key)); got != want {
			t.Errorf("absent %q: %v, want %v", key, got, want)
		}
	}
}

func TestMetadataOfLanguage(t *testing.T) {
	t.Parallel()
	p := New(Options{Metadata: true})
	p.SetTable(load(t, `
rules:
- {name: a, match: {hosts: [shop.example.com]}, keys: [{header: x-user-id}, {cookie: uid}], tagHeader: tag, policies: [{range: 20, tagValue: s2}]}
`))
	for _, tt := range []struct {
		headers []string
		want    map[string]any
	}{
		{[]string{":authority", "shop.example.com", "cookie", "uid=jessie"}, map[string]any{"reason": "policy", "bucket": 16., "tag": "s2", "key": "cookie uid"}},
		{[]string{":authority", "shop.example.com", "x-user-id", "vance"}, map[string]any{"reason": "no_policy", "bucket": 54., "key": "header x-user-id"}},
		{[]string{":authority", "shop.example.com"}, map[string]any{"reason": "no_key"}},
		{[]string{"x-user-id", "vance"}, map[string]any{"reason": "no_match"}},
	} {
		reply, _ := p.NewStream().Reply(nil, marshal(t, headersRequest(rawHeaders(tt.headers...))))
		got, _ := loggedBy(t, reply)["rules"].(map[string]any)["a"].(map[string]any)
		if len(got) != len(tt.want) {
			t.Errorf("%q: %v, want %v", tt.headers, got, tt.want)
		}
		for k, v := range tt.want {
			if got[k] != v {
				t.Errorf("%q: %v, want %v", tt.headers, got, tt.want)
			}
		}
	}
}
