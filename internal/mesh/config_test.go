package mesh

import (
	"bytes"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/istio/gateway"
	"github.com/tagproc/tagproc/rules"
)

// TestConfig checks that the ingress has the settings that tagproc prints for rules with
// the tag headers of both walk-throughs, which may travel as baggage. A retry policy is
// printed for a tagproc that has a name; here it is there for tests with several tagprocs.
func TestConfig(t *testing.T) {
	t.Parallel()
	table, problems := rules.Load("rules.yaml", []byte(`
tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
propagation: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
rules: [{header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 20, tagValue: s2}]}]
`), rules.Options{})
	if table == nil {
		t.Fatal(problems)
	}
	for _, c := range []struct{ config, address string }{{Config, "127.0.0.1:9002"}, {ConfigUnix, "unix:///run/tagproc.sock"}} {
		tree, err := gateway.Config(table, gateway.Standalone{
			Behaviour: gateway.Behaviour{DataPath: gateway.ExtProc, Timeout: 200 * time.Millisecond},
			Listen:    "127.0.0.1:10000", Address: []string{c.address}, Default: "127.0.0.1:10110",
		})
		if err != nil {
			t.Fatal(err)
		}
		var printed bytes.Buffer
		if err := tree.Write(&printed, ""); err != nil {
			t.Fatal(err)
		}
		got, want := settingsOf(t, c.config), settingsOf(t, printed.String())
		got.processor.GrpcService.RetryPolicy = nil
		got.tagproc.GetCircuitBreakers().GetThresholds()[0].MaxRetries = nil
		want.manager.UseRemoteAddress = nil // the tests are clients on the loopback
		for _, d := range []string{
			cmp.Diff(want.manager, got.manager, protocmp.Transform()),
			cmp.Diff(want.processor, got.processor, protocmp.Transform()),
			cmp.Diff(want.tagproc, got.tagproc, protocmp.Transform()),
		} {
			if d != "" {
				t.Errorf("with tagproc at %s the ingress differs from what is printed (-printed +here):\n%s", c.address, d)
			}
		}
	}
}

// settings are what a configuration has for tagproc.
type settings struct {
	manager   *hcmv3.HttpConnectionManager // of the ingress, without routes, filters and log
	processor *extprocv3.ExternalProcessor
	tagproc   *clusterv3.Cluster
}

func settingsOf(t *testing.T, config string) (s settings) {
	t.Helper()
	b := envoytest.Bootstrap(t, config)
	listener, cluster := b.GetStaticResources().GetListeners()[0], b.GetStaticResources().GetClusters()[0]
	if listener.GetName() != "ingress" || cluster.GetName() != "tagproc" {
		t.Fatalf("the first listener is %s and the first cluster %s", listener.GetName(), cluster.GetName())
	}
	s = settings{&hcmv3.HttpConnectionManager{}, &extprocv3.ExternalProcessor{}, cluster}
	if err := listener.GetFilterChains()[0].GetFilters()[0].GetTypedConfig().UnmarshalTo(s.manager); err != nil {
		t.Fatal(err)
	}
	if err := s.manager.GetHttpFilters()[0].GetTypedConfig().UnmarshalTo(s.processor); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(config, "why=%DYNAMIC_METADATA(tagproc)%") {
		t.Error("the access log has no reason")
	}
	s.manager.HttpFilters, s.manager.RouteSpecifier, s.manager.AccessLog = nil, nil, nil
	return s
}
