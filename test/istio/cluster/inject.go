package cluster

import (
	"encoding/json"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/tagproc/tagproc/mesh/control"
)

// proxyName is how Istio calls the container with Envoy.
const proxyName = "istio-proxy"

// isGateway reports whether the pod brings a container for Istio's proxy itself.
func (p *pod) isGateway() bool {
	for i := range p.spec.Containers {
		if p.spec.Containers[i].Image == proxyImage {
			return true
		}
	}
	return false
}

// injected reports whether the pod gets a sidecar. What the pod says goes before
// what the namespace says.
func (p *pod) injected() bool {
	if p.isGateway() {
		return false
	}
	said, ok := p.labels["sidecar.istio.io/inject"]
	if !ok {
		said, ok = p.notes["sidecar.istio.io/inject"]
	}
	if ok {
		return said == "true"
	}
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	ns, _ := p.c.objects[control.Key{Kind: "Namespace", Name: p.namespace()}].Kube.(*corev1.Namespace)
	return ns != nil && ns.Labels["istio-injection"] == "enabled"
}

// excludedPorts are those that inbound connections reach without the sidecar.
func (p *pod) excludedPorts() []uint16 {
	var ports []uint16
	for text := range strings.SplitSeq(p.notes["traffic.sidecar.istio.io/excludeInboundPorts"], ",") {
		if port, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16); err == nil {
			ports = append(ports, uint16(port))
		}
	}
	return ports
}

// userMounts are the volumes of the pod that its sidecar gets, by path. A mount that
// cannot be read is left out, as the webhook refuses it.
func (p *pod) userMounts() []corev1.VolumeMount {
	var mounts []corev1.VolumeMount
	var named map[string]corev1.VolumeMount
	if err := json.Unmarshal([]byte(p.notes["sidecar.istio.io/userVolumeMount"]), &named); err != nil {
		return nil
	}
	for name, m := range named {
		m.Name = name
		mounts = append(mounts, m)
	}
	return mounts
}

// plan returns the pod's containers in the order in which they start.
func (p *pod) plan() []*container {
	var all []*container
	if p.injected() {
		all = append(all, &container{pod: p, spec: corev1.Container{Name: proxyName, Image: proxyImage, VolumeMounts: p.userMounts()}, sidecar: true})
	}
	for _, spec := range p.spec.InitContainers {
		all = append(all, &container{pod: p, spec: spec, sidecar: true})
	}
	for _, spec := range p.spec.Containers {
		all = append(all, &container{pod: p, spec: spec})
	}
	return all
}
