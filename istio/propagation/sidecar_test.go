package propagation

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy"
)

// limit bounds every wait.
const limit = 60 * time.Second

// A sidecar is an Envoy in front of an application that says what it was sent.
type sidecar struct {
	listeners map[string]string
	clients   map[string]*client
}

// startSidecar runs Envoy with a listener for each of the lists of filters, by name.
func startSidecar(t testing.TB, binary string, listeners map[string][]*hcmv3.HttpFilter, clusters ...*clusterv3.Cluster) *sidecar {
	t.Helper()
	application, err := echo.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := application.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bootstrapv3.Bootstrap{
		Admin:           &bootstrapv3.Admin{Address: loopback(0)},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{Clusters: append(clusters, clusterOf(application.Port()))},
		// As istiod's bootstrap has it.
		LayeredRuntime: &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
			Name: "global config",
			LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{Fields: map[string]*structpb.Value{
				"re2.max_program_size.error_level": structpb.NewStringValue("32768"),
			}}},
		}}},
	}
	for _, name := range slices.Sorted(maps.Keys(listeners)) {
		b.StaticResources.Listeners = append(b.StaticResources.Listeners, listenerOf(t, name, listeners[name]))
	}
	config, err := protojson.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	p, err := envoy.Start(t.Context(), envoy.Options{Binary: binary, Config: config})
	if err != nil {
		t.Fatal(err)
	}
	s := &sidecar{listeners: p.Listeners, clients: map[string]*client{}}
	t.Cleanup(func() {
		for _, c := range s.clients {
			c.close()
		}
		for name, filters := range listeners {
			for _, f := range filters {
				if f.GetName() == spellingsFilter {
					continue // it asks nobody and cannot fail
				}
				// Envoy lets a request pass whose filter failed: nothing else tells.
				failed := "http." + name + ".lua." + f.GetName() + ".errors"
				if f.GetTypedConfig().MessageIs(&extprocv3.ExternalProcessor{}) {
					failed = "http." + name + ".ext_proc." + f.GetName() + ".failure_mode_allowed"
				}
				if n, err := p.Stat(context.Background(), failed); n > 0 || err != nil {
					t.Errorf("%s = %d, %v; want 0", failed, n, err)
				}
			}
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func listenerOf(t testing.TB, name string, filters []*hcmv3.HttpFilter) *listenerv3.Listener {
	t.Helper()
	router := &hcmv3.HttpFilter{Name: contract.Router, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: anyOf(t, &routerv3.Router{SuppressEnvoyHeaders: true})}}
	return &listenerv3.Listener{
		Name:            name,
		Address:         loopback(0),
		EnableReusePort: wrapperspb.Bool(false),
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name: contract.ConnectionManager,
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: anyOf(t, &hcmv3.HttpConnectionManager{
				StatPrefix:        name,
				GenerateRequestId: wrapperspb.Bool(false),
				HttpFilters:       append(slices.Clone(filters), router),
				RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
					VirtualHosts: []*routev3.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []*routev3.Route{{
						Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}, Headers: []*routev3.HeaderMatcher{tagged("appver-b", "elsewhere")}},
						Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: http.StatusMisdirectedRequest}},
					}, {
						Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
						Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: "application"}}},
					}}}},
				}},
			})},
		}}}},
	}
}

// tagged matches a tag, as a route does.
func tagged(name, value string) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
		MatchPattern: &matcherv3.StringMatcher_Exact{Exact: value},
	}}}
}

func clusterOf(port int) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: "application",
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: "application", Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: loopback(uint32(port))}}}},
		}}},
	}
}

func anyOf(t testing.TB, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func loopback(port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// errRefused is an answer of Envoy itself, not of the application.
var errRefused = errors.New("refused by Envoy")

// send returns the headers that the application is sent, sorted by name, for a
// request with these lines, which are sent byte by byte as they are. Those that
// Envoy adds are left out.
func (s *sidecar) send(t testing.TB, listener string, lines []string) ([]header, error) {
	t.Helper()
	c := s.clients[listener]
	if c == nil {
		conn, err := net.DialTimeout("tcp", s.listeners[listener], limit)
		if err != nil {
			t.Fatal(err)
		}
		c = &client{conn, bufio.NewReader(conn)}
		s.clients[listener] = c
	}
	report, err := c.send(lines)
	if err != nil {
		c.close()
		delete(s.clients, listener)
		return nil, err
	}
	var headers []header
	for _, name := range slices.Sorted(maps.Keys(report.Headers)) {
		for _, v := range report.Headers[name] {
			if !slices.Contains([]string{"x-forwarded-proto"}, string(name)) {
				headers = append(headers, header{string(name), string(v)})
			}
		}
	}
	return headers, nil
}

// A client is a connection that stays, as those of a sidecar do.
type client struct {
	conn   net.Conn
	reader *bufio.Reader
}

func (c *client) close() { c.conn.Close() }

func (c *client) send(lines []string) (*echo.Report, error) {
	if err := c.conn.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	var request strings.Builder
	request.WriteString("GET / HTTP/1.1\r\nHost: application\r\n")
	for _, l := range lines {
		request.WriteString(l + "\r\n")
	}
	request.WriteString("\r\n")
	if _, err := c.conn.Write([]byte(request.String())); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get(echo.SHA256Header) == "" {
		return nil, fmt.Errorf("%w: %s", errRefused, response.Status)
	}
	report := &echo.Report{}
	return report, json.NewDecoder(response.Body).Decode(report)
}
