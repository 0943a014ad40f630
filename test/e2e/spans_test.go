package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/rules"
)

// A collector is a receiver of OTLP that keeps the attributes of each span.
type collector struct {
	mu    sync.Mutex
	spans []map[string]string
}

// keep keeps the spans of a request to export them.
func (c *collector) keep(data *tracev1.TracesData) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range data.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				attributes := map[string]string{}
				for _, a := range s.GetAttributes() {
					attributes[a.GetKey()] = a.GetValue().GetStringValue()
				}
				c.spans = append(c.spans, attributes)
			}
		}
	}
}

// of returns the span of a request, by its path.
func (c *collector) of(path string) map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if strings.HasSuffix(s["http.url"], path) {
			return s
		}
	}
	return nil
}

func startCollector(t *testing.T) (c *collector, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c = &collector{}
	server := grpc.NewServer()
	// The request of this method is TracesData on the wire.
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Export", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			data := &tracev1.TracesData{}
			err := decode(data)
			c.keep(data)
			return &emptypb.Empty{}, err
		}}},
	}, c)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return c, listener.Addr().String()
}

// digest returns that of rules.
func digest(t *testing.T, src string) string {
	t.Helper()
	table, problems := rules.Load("rules.yaml", []byte(src), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	return table.Digest()
}

// TestSpans checks what a collector of OpenTelemetry is told of a request: what tagproc
// decided, and not about whom. It does so for the tags of render envoy --tracing, and for
// those that Istio makes of render telemetry.
func TestSpans(t *testing.T) {
	envoytest.Each(t, func(t *testing.T, envoyBinary string) {
		t.Helper()
		t.Parallel()
		at, leading := newPlace(t, standaloneRules), routes(t)
		received, address := startCollector(t)
		start(t, at.socket, at.rulesFile, "--metadata")
		asIstio := func(config string) string {
			tag := regexp.MustCompile(`(?s)metadata: {kind: {request: {}}, metadata_key: {key: tagproc, path: \[(.*?)\]}}`)
			return tag.ReplaceAllStringFunc(config, func(found string) string {
				path := "tagproc"
				for _, key := range regexp.MustCompile(`key: ([\w-]+)}`).FindAllStringSubmatch(tag.FindStringSubmatch(found)[1], -1) {
					path += ":" + key[1]
				}
				return `value: "%DYNAMIC_METADATA(` + path + `)%"`
			})
		}
		kinds := map[string]func(string) string{"envoy": func(config string) string { return config }, "istio": asIstio}
		if strings.HasPrefix(filepath.Base(t.Name()), "1.36") {
			t.Log("Envoy 1.36 has no tags by formatter: an Istio of that time has none either")
			delete(kinds, "istio")
		}
		for name, edit := range kinds {
			s := startEdited(t, envoyBinary, at.rulesFile, edit, append(leading, "--address", "unix://"+at.socket, "--tracing", address)...)
			users := []string{"jack", "stacy", ""}
			for i, user := range users {
				header := http.Header{}
				if user != "" {
					header.Set("X-User-Id", user)
				}
				s.get(t, fmt.Sprintf("/%s/%d", name, i), header)
			}
			for i, user := range users {
				path := fmt.Sprintf("/%s/%d", name, i)
				var span map[string]string
				eventually(t, "the collector has the span of "+path, func() bool {
					span = received.of(path)
					return span != nil
				})
				want := map[string]map[string]string{
					"jack":  {"tagproc.outcome": "tagged", "tagproc.lane.tag": "s2", "tagproc.lane.bucket": "2", "tagproc.lane.reason": "policy", "tagproc.checkout.reason": "no_match"},
					"stacy": {"tagproc.outcome": "tagged", "tagproc.lane.tag": "s1", "tagproc.lane.bucket": "25", "tagproc.lane.reason": "policy", "tagproc.checkout.reason": "no_match"},
					"":      {"tagproc.outcome": "unchanged", "tagproc.lane.reason": "no_key", "tagproc.checkout.reason": "no_match"},
				}[user]
				want["tagproc.digest"] = digest(t, standaloneRules)
				for key, value := range span {
					if user != "" && strings.Contains(value, user) {
						t.Errorf("the span of %s says %s=%s", path, key, value)
					}
					if strings.HasPrefix(key, "tagproc.") && value != want[key] && (value != "-" || name == "envoy") {
						t.Errorf("the span of %s says %s=%s, want %q", path, key, value, want[key])
					}
				}
				for key := range want {
					if span[key] == "" {
						t.Errorf("the span of %s says nothing of %s: %v", path, key, span)
					}
				}
			}
		}
	})
}
