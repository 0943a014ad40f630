package source

import (
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	"sigs.k8s.io/yaml"
)

// TestMessage checks that a message is read as protobuf's own JSON reader reads it, and
// that everything it cannot hold is told at its place while the rest is read.
func TestMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		src    string
		m      proto.Message
		faults []string // what each begins with; none: protojson reads the same
	}{
		{"fields of both names", "connectTimeout: 0.25s\nmax_requests_per_connection: 3\nname: a\n", &clusterv3.Cluster{}, nil},
		{"an Any", "stat_prefix: x\nhttp_filters:\n- name: r\n  typed_config:\n    \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n    stat_prefix: z\n", &hcmv3.HttpConnectionManager{}, nil},
		{"numbers as texts, enums as numbers", "type: \"STRICT_DNS\"\nper_connection_buffer_limit_bytes: \"32768\"\nlb_policy: 1\n", &clusterv3.Cluster{}, nil},
		{"a Struct", "configPatches:\n- applyTo: CLUSTER\n  patch: {operation: ADD, value: {a: [1, 2.5, null, true, {b: c}]}}\n", &networking.EnvoyFilter{}, nil},
		{"a map", "http:\n- match: [{headers: {a: {exact: b}}}]\n", &networking.VirtualService{}, nil},

		{"an unknown field", "name: a\nconect_timeout: 1s\n", &clusterv3.Cluster{}, []string{`f:2:1: there is no field "conect_timeout" here (did you mean "connect_timeout"?)`}},
		{
			"two unknown fields, and one deep below", "hosts: [a]\nhtp: 1\nhttp:\n- rout: []\n  match:\n  - headers: {a: {exactly: b}}\n", &networking.VirtualService{},
			[]string{`f:2:1: there is no field "htp" here (did you mean "http"?); expected one of`, `f:4:3: there is no field "rout" here`, `f:6:19: there is no field "exactly" here`},
		},
		{"a wrong duration", "connect_timeout: 5\nname: a\n", &clusterv3.Cluster{}, []string{`f:1:18: "connect_timeout" is the number 5; expected a duration`}},
		{"a wrong enum", "type: STRIKT_DNS\n", &clusterv3.Cluster{}, []string{`f:1:7: "type" is the string "STRIKT_DNS"; expected one of STATIC, STRICT_DNS`}},
		{"a number too large", "per_connection_buffer_limit_bytes: 4294967296\n", &clusterv3.Cluster{}, []string{`f:1:36: "per_connection_buffer_limit_bytes" is the number 4294967296; expected a whole number that is not negative`}},
		{"a text for a list", "hosts: a\n", &networking.VirtualService{}, []string{`f:1:8: "hosts" is the string "a"; expected a list`}},
		{"two members of a oneof", "http:\n- match: [{uri: {exact: /, prefix: /}}]\n", &networking.VirtualService{}, []string{`f:2:28: "exact" and "prefix" exclude each other`}},
		{"an unknown type", "http_filters:\n- {name: x, typed_config: {\"@type\": type.googleapis.com/no.Such, a: b}}\n", &hcmv3.HttpConnectionManager{}, []string{"f:2:37: the type type.googleapis.com/no.Such is not known"}},
		{"null", "hosts: null\nhttp: []\n", &networking.VirtualService{}, []string{`f:1:1: "hosts" has no value`}},
		{"a field twice, by both names", "connectTimeout: 1s\nconnect_timeout: 2s\n", &clusterv3.Cluster{}, []string{`f:2:1: duplicate field "connect_timeout"`}},
	} {
		docs, problems := Documents("f", []byte(c.src), 1<<20)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		faults := docs[0].Message(c.m)
		for i, f := range faults {
			if got := f.At.String() + ": " + f.Reason; i >= len(c.faults) || !strings.HasPrefix(got, c.faults[i]) {
				t.Errorf("%s: fault %q, want those that begin with %q", c.name, got, c.faults)
			}
		}
		if len(faults) != len(c.faults) {
			t.Errorf("%s: %d faults, want %d", c.name, len(faults), len(c.faults))
		}
		if len(c.faults) > 0 {
			continue
		}
		want := c.m.ProtoReflect().New().Interface()
		text, err := yaml.YAMLToJSON([]byte(c.src))
		if err != nil {
			t.Fatal(err)
		}
		if err := protojson.Unmarshal(text, want); err != nil || !proto.Equal(c.m, want) {
			t.Errorf("%s: Message = %v, want %v (%v)", c.name, c.m, want, err)
		}
	}
}
