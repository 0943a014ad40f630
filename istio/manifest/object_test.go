package manifest

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
	"pgregory.net/rapid"
	kubernetes "sigs.k8s.io/yaml"
)

func TestWrite(t *testing.T) {
	spec := NewTree(&networking.DestinationRule{
		Host: "mocka.default.svc.cluster.local",
		Subsets: []*networking.Subset{
			{Name: "s1", Labels: map[string]string{"version": "1", "on": "true"}},
			{Name: "s2", TrafficPolicy: &networking.TrafficPolicy{}},
		},
	}, false).
		Comment("A subset per lane.\n\nThe first is the baseline.", "subsets").
		Comment("the canary", "subsets", 1)
	spec.Put(NewTree(&networking.Subset{Name: "s3"}, false), "extra", "subsets", 1, "trafficPolicy")
	o := &Object{
		APIVersion: "networking.istio.io/v1", Kind: "DestinationRule", Name: "mocka", Namespace: "default",
		Labels: map[string]string{"b": "2", "a": "yes"}, Comment: "Lanes of mocka.", Spec: spec,
	}
	var out bytes.Buffer
	if err := Write(&out, o, &Object{APIVersion: "v1", Kind: "Namespace", Name: "shop"}); err != nil {
		t.Fatal(err)
	}
	const want = `# Lanes of mocka.
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: mocka
  namespace: default
  labels:
    a: "yes"
    b: "2"
spec:
  host: mocka.default.svc.cluster.local
  # A subset per lane.
  #
  # The first is the baseline.
  subsets:
  - name: s1
    labels:
      "on": "true"
      version: "1"
  # the canary
  - name: s2
    trafficPolicy:
      extra:
        name: s3
---
apiVersion: v1
kind: Namespace
metadata:
  name: shop
`
	if got := out.String(); got != want {
		t.Errorf("Write = \n%s\nwant\n%s", got, want)
	}
	if got, want := o.FileName(), "destinationrule-default-mocka.yaml"; got != want {
		t.Errorf("FileName() = %q, want %q", got, want)
	}
}

// A comment or a part that has lost its place is an error: it would be missing
// from what is written, and nobody would see it.
func TestWriteLost(t *testing.T) {
	for name, spec := range map[string]*Tree{
		"comment":       NewTree(&networking.DestinationRule{}, false).Comment("gone", "subsets"),
		"comment below": NewTree(&networking.DestinationRule{}, false).Comment("gone", "subsets", 0, "name"),
		"comment above": NewTree(&networking.DestinationRule{}, false).Comment("whole"),
		"put":           NewTree(&networking.DestinationRule{}, false).Put(NewTree(&networking.Subset{}, false), "x", "subsets", 0),
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := Write(&out, &Object{Kind: "DestinationRule", Name: "mocka", Spec: spec})
			if err == nil || !strings.HasPrefix(err.Error(), "couldn't write DestinationRule mocka: ") {
				t.Errorf("Write = %v, want an error that names the object", err)
			}
			if out.Len() > 0 {
				t.Errorf("Write wrote %q", out.String())
			}
		})
	}
}

// What is written is read by Kubernetes as it was meant, whose YAML has other
// booleans and numbers.
func TestKubernetesReads(t *testing.T) {
	odd := rapid.SampledFrom([]string{
		"on", "Off", "y", "N", "yes", "true", "null", "~", "", "0", "010", "0x1f", "0o17", "0b1", "1_000", "1e3", "1:30", ".5", ".inf", "<<", "=",
		"2026-11-22", " a", "a ", "a: b", "a #b", "- a", "*", "&a", "!a", "%a", "@a", "`a", "{", "[a]", "a\nb", "\ta", "'", "\"", "é", "\u2028", "\u0085", "\ufeff", "😀",
	})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(odd, rapid.StringN(0, 30, -1))
		labels := rapid.MapOfN(text, text, 1, 5).Draw(t, "labels")
		host := text.Draw(t, "host")
		spec := NewTree(&networking.DestinationRule{Host: host, Subsets: []*networking.Subset{{Labels: labels}}}, false)
		var out bytes.Buffer
		if err := Write(&out, &Object{Kind: "DestinationRule", Name: "x", Labels: labels, Comment: host, Spec: spec}); err != nil {
			if strings.Contains(err.Error(), "invalid UTF-8") {
				t.Skip("protobuf refuses it")
			}
			t.Fatal(err)
		}
		var got struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Host    string
				Subsets []struct{ Labels map[string]string }
			}
		}
		if err := kubernetes.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%v in\n%s", err, out.String())
		}
		if got.Spec.Host != host || !maps.Equal(got.Metadata.Labels, labels) || !maps.Equal(got.Spec.Subsets[0].Labels, labels) {
			t.Fatalf("read as %q, want host %q and labels %q:\n%s", got, host, labels, out.String())
		}
	})
}
