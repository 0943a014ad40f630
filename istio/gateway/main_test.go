package gateway

import (
	"bytes"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

func TestMain(m *testing.M) { leak.Main(m) }

// A tester is a test of testing or of rapid.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func options() Options {
	return Options{
		Name: "tagproc", Namespace: "istio-system", Gateway: []string{"istio=ingressgateway"},
		Address: "unix:///run/tagproc/tagproc.sock", Phase: PhaseRouter, Behaviour: Behaviour{DataPath: ExtProc, Timeout: 200 * time.Millisecond},
	}
}

func load(t tester, src string) *rules.Table {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if table == nil {
		t.Fatalf("%v in\n%s", problems.Err(), src)
	}
	return table
}

func render(t tester, table *rules.Table, o Options) string {
	t.Helper()
	object, err := EnvoyFilter(table, o)
	if err != nil {
		t.Fatalf("EnvoyFilter = %v", err)
	}
	var out bytes.Buffer
	if err := manifest.Write(&out, object); err != nil {
		t.Fatalf("Write = %v", err)
	}
	return out.String()
}

// configuration is what an EnvoyFilter has for Envoy.
type configuration struct {
	operation networking.EnvoyFilter_Patch_Operation // of the filter
	filter    *hcmv3.HttpFilter
	visitors  *hcmv3.HttpFilter // nil: there is none
	ext       *extprocv3.ExternalProcessor
	manager   *hcmv3.HttpConnectionManager // what is merged into it
	early     *earlyv3.HeaderMutation      // nil: there is none
	cluster   *clusterv3.Cluster           // nil: there is none
}

// decode reads an EnvoyFilter back, strictly: by the types of Istio and of Envoy,
// which know no other fields.
func decode(t tester, text string) configuration {
	t.Helper()
	docs, problems := source.Read("envoyfilter.yaml", []byte(text))
	if len(docs) != 1 || len(problems) > 0 {
		t.Fatalf("%d documents, %v in\n%s", len(docs), problems, text)
	}
	var spec networking.EnvoyFilter
	if err := docs[0].Get("spec").Message(&spec).Err(); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	value := func(i int, m proto.Message) {
		t.Helper()
		if err := docs[0].Get("spec", "configPatches", i, "patch", "value").Message(m).Err(); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
	unpack := func(a *anypb.Any, m proto.Message) {
		t.Helper()
		if err := a.UnmarshalTo(m); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
	}
	var c configuration
	for i, p := range spec.GetConfigPatches() {
		want := networking.EnvoyFilter_GATEWAY
		if strings.HasPrefix(text, "# The waypoint ") {
			want = networking.EnvoyFilter_SIDECAR_INBOUND
		}
		if got := p.GetMatch().GetContext(); got != want {
			t.Fatalf("patch %d is for the context %v, want %v", i, got, want)
		}
		switch p.GetApplyTo() {
		case networking.EnvoyFilter_HTTP_FILTER:
			filter := &hcmv3.HttpFilter{}
			value(i, filter)
			if filter.GetName() == contract.VisitorFilter {
				c.visitors = filter
				unpack(filter.GetTypedConfig(), &headermutationv3.HeaderMutation{})
				continue
			}
			c.operation, c.filter, c.ext = p.GetPatch().GetOperation(), filter, &extprocv3.ExternalProcessor{}
			if filter.GetTypedConfig().MessageIs(&luav3.Lua{}) {
				unpack(filter.GetTypedConfig(), &luav3.Lua{})
				continue
			}
			unpack(c.filter.GetTypedConfig(), c.ext)
		case networking.EnvoyFilter_NETWORK_FILTER:
			filter := &listenerv3.Filter{}
			c.manager = &hcmv3.HttpConnectionManager{}
			value(i, filter)
			unpack(filter.GetTypedConfig(), c.manager)
			for _, e := range c.manager.GetEarlyHeaderMutationExtensions() {
				c.early = &earlyv3.HeaderMutation{}
				unpack(e.GetTypedConfig(), c.early)
			}
		case networking.EnvoyFilter_CLUSTER:
			c.cluster = &clusterv3.Cluster{}
			value(i, c.cluster)
		default:
			t.Fatalf("patch %d is for %v", i, p.GetApplyTo())
		}
	}
	if c.filter == nil || c.manager == nil {
		t.Fatalf("a patch is missing in\n%s", strings.TrimSpace(text))
	}
	return c
}
