package propagation

import (
	"net"
	"path/filepath"
	"slices"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
)

// printed is what an EnvoyFilter has for Envoy.
type printed struct {
	outbound, inbound []*hcmv3.HttpFilter
	cluster           *clusterv3.Cluster // of tagproc, or nil
}

// decode reads an EnvoyFilter back strictly from what is printed.
func decode(t testing.TB, text string) (p printed) {
	t.Helper()
	docs, problems := source.Read("envoyfilter.yaml", []byte(text))
	if len(docs) != 1 || len(problems) > 0 {
		t.Fatalf("%d documents, %v in\n%s", len(docs), problems, text)
	}
	var spec networking.EnvoyFilter
	if err := docs[0].Get("spec").Message(&spec).Err(); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	for i, patch := range spec.GetConfigPatches() {
		value := func(m proto.Message) {
			t.Helper()
			if err := docs[0].Get("spec", "configPatches", i, "patch", "value").Message(m).Err(); err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
		}
		filter := &hcmv3.HttpFilter{}
		switch patch.GetMatch().GetContext() {
		case networking.EnvoyFilter_SIDECAR_INBOUND:
			value(filter)
			p.inbound = append(p.inbound, filter)
		case networking.EnvoyFilter_SIDECAR_OUTBOUND:
			if patch.GetApplyTo() == networking.EnvoyFilter_CLUSTER {
				p.cluster = &clusterv3.Cluster{}
				value(p.cluster)
				continue
			}
			value(filter)
			p.outbound = append([]*hcmv3.HttpFilter{filter}, p.outbound...) // each is inserted first
		default:
			t.Fatalf("patch %d is for the context %v", i, patch.GetMatch().GetContext())
		}
	}
	return p
}

// asked returns an EnvoyFilter of ext_proc with a cluster of another name, and with
// ample limits of time: a busy machine is not what is tested.
func (p printed) asked(t testing.TB, cluster string) printed {
	t.Helper()
	p.cluster.Name, p.cluster.LoadAssignment.ClusterName = cluster, cluster
	p.cluster.ConnectTimeout = durationpb.New(limit)
	for _, f := range slices.Concat(p.outbound, p.inbound) {
		config := &extprocv3.ExternalProcessor{}
		if f.GetName() == spellingsFilter {
			continue
		}
		if err := f.GetTypedConfig().UnmarshalTo(config); err != nil {
			t.Fatal(err)
		}
		config.GetGrpcService().GetEnvoyGrpc().ClusterName = cluster
		config.MessageTimeout = durationpb.New(limit)
		f.ConfigType = &hcmv3.HttpFilter_TypedConfig{TypedConfig: anyOf(t, config)}
	}
	return p
}

// serve answers ext_proc by the rules of table until the test ends, and returns its
// address.
func serve(t testing.TB, table *rules.Table) (address string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	p := processor.New(processor.Options{Limits: processor.Limits{MaxHeaders: contract.GatewayMaxHeaders, MaxHeaderBytes: contract.GatewayMaxHeaderKB << 10}})
	p.SetTable(table)
	s := grpc.NewServer(grpc.ForceServerCodecV2(processor.Codec()))
	processor.Register(s, p)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return "unix://" + socket
}
