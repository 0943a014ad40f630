package kube

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DefaultKey is the key of the rules where a ConfigMap has several.
const DefaultKey = "rules.yaml"

// An object is what is needed of a ConfigMap.
type object struct {
	Metadata struct {
		UID             string            `json:"uid"`
		ResourceVersion string            `json:"resourceVersion"`
		Labels          map[string]string `json:"labels"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
}

// A content is the rules that the API server has, or why there are none.
type content struct {
	key     string
	text    string
	failure string // "": text is there
	away    bool   // the failure is that of the API server
}

const deleted = "does not exist in the cluster: create the ConfigMap, or correct the reference"

// contentOf returns the rules of a ConfigMap; nil: there is none.
func (r Reference) contentOf(o *object) content {
	if o == nil {
		return content{failure: deleted}
	}
	key := r.Key
	if key == "" {
		key = DefaultKey
		if keys := slices.Collect(maps.Keys(o.Data)); len(keys) == 1 {
			key = keys[0]
		}
	}
	text, ok := o.Data[key]
	if !ok {
		have := "none"
		if len(o.Data) > 0 {
			have = strings.Join(slices.Sorted(maps.Keys(o.Data)), ", ")
		}
		return content{failure: fmt.Sprintf("has no key %s under data: put the rules there; its keys are: %s", key, have)}
	}
	return content{key: key, text: text}
}

// marks are what tools leave on objects that they write again.
var marks = []struct{ label, annotation, tool string }{
	{label: "app.kubernetes.io/managed-by"}, // whose value is the tool
	{label: "kustomize.toolkit.fluxcd.io/name", tool: "Flux"},
	{label: "argocd.argoproj.io/instance", tool: "Argo CD"},
	{annotation: "argocd.argoproj.io/tracking-id", tool: "Argo CD"},
	{annotation: "kubectl.kubernetes.io/last-applied-configuration", tool: "kubectl apply"},
}

// writers returns the tools that may write the ConfigMap again.
func (o *object) writers() (tools []string) {
	for _, m := range marks {
		value, marked := o.Metadata.Labels[m.label]
		if m.annotation != "" {
			_, marked = o.Metadata.Annotations[m.annotation]
		}
		tool := m.tool
		if tool == "" {
			tool = value
		}
		if marked && !slices.Contains(tools, tool) {
			tools = append(tools, tool)
		}
	}
	return tools
}
