package istio

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
	telemetryv1 "istio.io/api/telemetry/v1alpha1"

	"github.com/tagproc/tagproc/source"
)

// surroundings returns manifests of what objects of Istio refer to and do not have
// themselves: Services and their pods, Gateways and theirs.
func surroundings(t *testing.T, docs []*source.Document) string {
	t.Helper()
	s := surrounding{docs: docs, objects: map[string]string{}}
	for _, d := range docs {
		switch d.Kind {
		case "DestinationRule":
			var rule networking.DestinationRule
			decode(t, d, &rule)
			for _, subset := range rule.GetSubsets() {
				s.subset(t, rule.GetHost(), subset.GetLabels())
			}
		case "VirtualService":
			var service networking.VirtualService
			decode(t, d, &service)
			for _, route := range service.GetHttp() {
				for _, to := range route.GetRoute() {
					s.service(t, to.GetDestination().GetHost(), to.GetDestination().GetPort().GetNumber())
				}
			}
			for _, gateway := range service.GetGateways() {
				if gateway != "mesh" {
					s.gateway(t, gateway)
				}
			}
		case "Gateway":
			var gateway networking.Gateway
			decode(t, d, &gateway)
			s.entry(t, d.Namespace, gateway.GetSelector())
		case "EnvoyFilter":
			var filter networking.EnvoyFilter
			decode(t, d, &filter)
			if labels := filter.GetWorkloadSelector().GetLabels(); len(labels) > 0 {
				s.pods(t, d.Namespace, labels)
			}
		case "Telemetry":
			var telemetry telemetryv1.Telemetry
			decode(t, d, &telemetry)
			s.pods(t, d.Namespace, telemetry.GetSelector().GetMatchLabels())
		}
	}
	var stream strings.Builder
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		fmt.Fprintf(&stream, "---\n%s\n", s.objects[key])
	}
	return stream.String()
}

// decode decodes the spec of an object.
func decode(t *testing.T, d *source.Document, spec proto.Message) {
	t.Helper()
	if err := d.Get("spec").Message(spec).Err(); err != nil {
		t.Fatal(err)
	}
}

// A surrounding is objects by a key that sorts them, beside those that are there.
type surrounding struct {
	docs    []*source.Document
	objects map[string]string
}

// add adds an object, and the namespace that it is in, with sidecars. It leaves an
// object that is there already as it is.
func (s *surrounding) add(t *testing.T, kind, namespace, name, format string, args ...any) {
	t.Helper()
	if namespace != "" {
		s.add(t, "Namespace", "", namespace, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {istio-injection: enabled}}\n", namespace)
	}
	if !slices.ContainsFunc(s.docs, func(d *source.Document) bool {
		return d.Kind == kind && d.Namespace == namespace && d.Name == name
	}) {
		s.objects[kind+" "+namespace+" "+name] = fmt.Sprintf(format, args...)
	}
}

// service adds the Service of a host with a port, 0 if it is unknown.
func (s *surrounding) service(t *testing.T, host string, port uint32) {
	t.Helper()
	name, namespace := split(t, host)
	s.add(t, "Service", namespace, name, `apiVersion: v1
kind: Service
metadata: {name: %s, namespace: %s}
spec:
  selector: {app: %[1]s}
  ports: [{name: http, port: %[3]d, targetPort: 8000}]
`, name, namespace, cmp.Or(port, 8000))
}

// subset adds pods behind the Service of a host.
func (s *surrounding) subset(t *testing.T, host string, labels map[string]string) {
	t.Helper()
	name, namespace := split(t, host)
	labels = maps.Clone(labels)
	labels["app"] = name
	s.pods(t, namespace, labels)
}

// split returns the name and the namespace of a host's Service.
func split(t *testing.T, host string) (name, namespace string) {
	t.Helper()
	name, namespace, ok := strings.Cut(strings.TrimSuffix(host, ".svc.cluster.local"), ".")
	if !ok || strings.Contains(namespace, ".") {
		t.Fatalf("host %q belongs to no Service", host)
	}
	return name, namespace
}

// gateway adds a Gateway, as NAMESPACE/NAME.
func (s *surrounding) gateway(t *testing.T, gateway string) {
	t.Helper()
	namespace, name, ok := strings.Cut(gateway, "/")
	if !ok {
		t.Fatalf("gateway %q is in whatever namespace", gateway)
	}
	s.add(t, "Gateway", namespace, name, `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: %s, namespace: %s}
spec:
  selector: {istio: %[1]s}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ['*']
`, name, namespace)
	s.entry(t, namespace, map[string]string{"istio": name})
}

// entry adds pods of a gateway, and their Service.
func (s *surrounding) entry(t *testing.T, namespace string, labels map[string]string) {
	t.Helper()
	s.pods(t, namespace, labels)
	s.add(t, "Service", namespace, nameOf(t, labels), `apiVersion: v1
kind: Service
metadata: {name: %s, namespace: %s}
spec:
  selector: %s
  ports: [{name: http2, port: 80, protocol: TCP}]
`, nameOf(t, labels), namespace, inline(t, labels))
}

// pods adds a Deployment of pods with labels.
func (s *surrounding) pods(t *testing.T, namespace string, labels map[string]string) {
	t.Helper()
	if slices.ContainsFunc(s.docs, func(d *source.Document) bool { return d.Kind == "Deployment" && d.Namespace == namespace }) {
		return // they are among those that are there
	}
	s.add(t, "Deployment", namespace, nameOf(t, labels), `apiVersion: apps/v1
kind: Deployment
metadata: {name: %s, namespace: %s}
spec:
  selector: {matchLabels: %s}
  template:
    metadata: {labels: %[3]s}
    spec:
      containers:
      - {name: default, image: tagproc/sample, ports: [{containerPort: 8000}, {containerPort: 80}]}
`, nameOf(t, labels), namespace, inline(t, labels))
}

// inline returns labels as YAML in one line.
func inline(t *testing.T, labels map[string]string) string {
	t.Helper()
	text, err := json.Marshal(labels)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// nameOf returns a name for what has labels.
func nameOf(t *testing.T, labels map[string]string) string {
	t.Helper()
	h := fnv.New32a()
	h.Write([]byte(inline(t, labels)))
	return fmt.Sprintf("with-%x", h.Sum32())
}
