package lint

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/source"
)

// A workload is what makes pods, or a Pod, with what checks look at. Fields that
// are not as Kubernetes has them are a matter of the API server.
type workload struct {
	place // of the pod's template, or of the Pod

	Metadata struct {
		Labels      map[string]string `yaml:"labels"`
		Annotations map[string]string `yaml:"annotations"`
	} `yaml:"metadata"`
	Spec struct {
		Grace          *float64    `yaml:"terminationGracePeriodSeconds"`
		Account        string      `yaml:"serviceAccountName"`
		InitContainers []container `yaml:"initContainers"`
		Containers     []container `yaml:"containers"`
		Volumes        []volume    `yaml:"volumes"`
	} `yaml:"spec"`
}

type container struct {
	at place

	Name          string   `yaml:"name"`
	Image         string   `yaml:"image"`
	RestartPolicy string   `yaml:"restartPolicy"`
	Command       []string `yaml:"command"`
	Args          []string `yaml:"args"`
	Ports         []struct {
		Name string `yaml:"name"`
		Port int    `yaml:"containerPort"`
	} `yaml:"ports"`
	Mounts []struct {
		Name        string `yaml:"name"`
		Path        string `yaml:"mountPath"`
		SubPath     string `yaml:"subPath"`
		SubPathExpr string `yaml:"subPathExpr"`
	} `yaml:"volumeMounts"`
	Env []struct {
		Name  string `yaml:"name"`
		Value string `yaml:"value"`
	} `yaml:"env"`
	Readiness *probe `yaml:"readinessProbe"`
	Liveness  *probe `yaml:"livenessProbe"`
	Startup   *probe `yaml:"startupProbe"`
}

type probe struct {
	HTTP *struct {
		Path string `yaml:"path"`
		Port string `yaml:"port"` // a number or the name of a port
	} `yaml:"httpGet"`
}

type volume struct {
	Name      string `yaml:"name"`
	ConfigMap *struct {
		Name  string `yaml:"name"`
		Items []struct {
			Key  string `yaml:"key"`
			Path string `yaml:"path"`
		} `yaml:"items"`
	} `yaml:"configMap"`
	Projected *yaml.Node `yaml:"projected"`
}

func (m *model) addWorkload(d *source.Document) {
	w := &workload{place: place{d, []any{"spec", "template"}}}
	if d.Kind == "Pod" {
		w.path = nil
	}
	_ = w.get().Decode(w) // what is not as it should be stays empty
	for i := range w.Spec.InitContainers {
		w.Spec.InitContainers[i].at = w.in("spec", "initContainers", i)
	}
	for i := range w.Spec.Containers {
		w.Spec.Containers[i].at = w.in("spec", "containers", i)
	}
	m.pods = append(m.pods, w)
}

// running returns the containers that run beside each other.
func (w *workload) running() (cs []*container) {
	for i := range w.Spec.InitContainers {
		if w.Spec.InitContainers[i].RestartPolicy == "Always" {
			cs = append(cs, &w.Spec.InitContainers[i])
		}
	}
	for i := range w.Spec.Containers {
		cs = append(cs, &w.Spec.Containers[i])
	}
	return cs
}

// proxy returns the container of Envoy where the pod names it, or nil.
func (w *workload) proxy() *container {
	for _, c := range w.running() {
		if c.Name == "istio-proxy" {
			return c
		}
	}
	return nil
}

// isGateway reports whether the pods are made for a gateway.
func (w *workload) isGateway() bool {
	if strings.Contains(w.Metadata.Annotations["inject.istio.io/templates"], "gateway") {
		return true
	}
	p := w.proxy()
	return p != nil && (p.Image == "auto" || slices.Contains(p.Args, "router"))
}

// gatewayPods returns the workloads that are gateways.
func (m *model) gatewayPods() (ws []*workload) {
	for _, w := range m.pods {
		if w.isGateway() {
			ws = append(ws, w)
		}
	}
	return ws
}

// A server is a container that runs tagproc serve.
type server struct {
	*container
	pod *workload
}

// servers returns the containers that run tagproc serve.
func (m *model) servers() (ss []server) {
	for _, w := range m.pods {
		for _, c := range w.running() {
			image, _, _ := strings.Cut(path.Base(c.Image), ":")
			image, _, _ = strings.Cut(image, "@")
			isTagproc := c.Name == "tagproc" || image == "tagproc" || slices.ContainsFunc(c.Command, func(s string) bool { return path.Base(s) == "tagproc" })
			if isTagproc && slices.Contains(slices.Concat(c.Command, c.Args), "serve") {
				ss = append(ss, server{c, w})
			}
		}
	}
	return ss
}

// flags returns the values of a flag of the command line.
func (s server) flags(name string) (values []string) {
	args := slices.Concat(s.Command, s.Args)
	for i, a := range args {
		if value, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			values = append(values, value)
		} else if a == "--"+name && i+1 < len(args) {
			values = append(values, args[i+1])
		}
	}
	return values
}

// flag returns the value of a flag that is given once, or what stands for it where
// it is not.
func (s server) flag(name, otherwise string) string {
	if values := s.flags(name); len(values) > 0 {
		return values[len(values)-1]
	}
	return otherwise
}

// set reports whether a flag without a value is set.
func (s server) set(name string) bool {
	args := slices.Concat(s.Command, s.Args)
	return slices.Contains(args, "--"+name) || slices.Contains(args, "--"+name+"=true")
}

// argument returns the place of a flag, or that of the container.
func (s server) argument(name string) place {
	for _, list := range []struct {
		key  string
		args []string
	}{{"args", s.Args}, {"command", s.Command}} {
		for i, a := range list.args {
			if a == "--"+name || strings.HasPrefix(a, "--"+name+"=") {
				return s.at.in(list.key, i)
			}
		}
	}
	return s.at
}

// listens returns the addresses at which tagproc serves.
func (s server) listens() []string {
	if values := s.flags("listen"); len(values) > 0 {
		return values
	}
	return []string{contract.DefaultListen}
}

// port returns the number of a port of the container, which may be a name.
func (c *container) port(text string) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	for _, p := range c.Ports {
		if p.Name == text {
			return p.Port
		}
	}
	return 0
}

// volume returns the volume of a name, and its place.
func (w *workload) volume(name string) (*volume, place) {
	for i := range w.Spec.Volumes {
		if w.Spec.Volumes[i].Name == name {
			return &w.Spec.Volumes[i], w.in("spec", "volumes", i)
		}
	}
	return nil, w.in("spec", "volumes")
}

// mountOf returns the index of the mount that a file of the container is in, or
// -1: the longest path that leads to it.
func (c *container) mountOf(file string) int {
	best := -1
	for i, m := range c.Mounts {
		at := path.Clean(m.Path)
		if (file == at || strings.HasPrefix(file, strings.TrimSuffix(at, "/")+"/")) && (best < 0 || len(at) > len(path.Clean(c.Mounts[best].Path))) {
			best = i
		}
	}
	return best
}
