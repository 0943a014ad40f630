package cluster

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// checkPod returns everything in a pod that the cluster does not support.
func checkPod(spec *corev1.PodSpec) error {
	var errs []error
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		if c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			errs = append(errs, fmt.Errorf("init container %q: without restartPolicy: Always it is not played here", c.Name))
		}
	}
	if len(spec.Containers) == 0 {
		errs = append(errs, errors.New("there are no containers"))
	}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		if err := checkContainer(&c, spec.Volumes); err != nil {
			errs = append(errs, fmt.Errorf("container %q: %w", c.Name, err))
		}
	}
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		if v.ConfigMap == nil && v.EmptyDir == nil {
			errs = append(errs, fmt.Errorf("volume %q: only configMap and emptyDir are played here", v.Name))
		}
	}
	return errors.Join(errs...)
}

func checkContainer(c *corev1.Container, volumes []corev1.Volume) error {
	var errs []error
	if c.Image != proxyImage {
		_, err := findImage(c.Image)
		errs = append(errs, err)
	}
	if len(c.EnvFrom) > 0 {
		errs = append(errs, errors.New("envFrom is not played here"))
	}
	for _, e := range c.Env {
		if e.ValueFrom != nil && (e.ValueFrom.FieldRef == nil || fields[e.ValueFrom.FieldRef.FieldPath] == nil) {
			errs = append(errs, fmt.Errorf("env %s: this valueFrom is not played here", e.Name))
		}
	}
	for name, probe := range map[string]*corev1.Probe{"startupProbe": c.StartupProbe, "readinessProbe": c.ReadinessProbe} {
		if probe != nil && probe.HTTPGet == nil && probe.TCPSocket == nil {
			errs = append(errs, fmt.Errorf("%s: only httpGet and tcpSocket are played here", name))
		}
	}
	if l := c.Lifecycle; l != nil && (l.PostStart != nil || l.PreStop != nil && l.PreStop.Sleep == nil) {
		errs = append(errs, errors.New("lifecycle: only preStop.sleep is played here"))
	}
	for _, m := range c.VolumeMounts {
		if !slices.ContainsFunc(volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
			errs = append(errs, fmt.Errorf("volumeMounts: there is no volume %q", m.Name))
		}
	}
	return errors.Join(errs...)
}

// fields are the fields of a pod that its containers may have in their environment.
var fields = map[string]func(*pod) string{
	"metadata.name":      func(p *pod) string { return p.name },
	"metadata.namespace": func(p *pod) string { return p.namespace() },
	"status.podIP":       func(p *pod) string { return p.network().Address.String() },
}
