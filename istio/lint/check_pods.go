package lint

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/source"
)

// rulesMount finds a tagproc whose rules file is in no volume.
func rulesMount(m *model, found found) {
	for _, s := range m.servers() {
		file, at := s.flag("rules", ""), s.argument("rules")
		if file == "" {
			found(at, "tagproc serve has no --rules, and ends", "add --rules=/etc/tagproc/rules/rules.yaml")
			continue
		}
		i := s.mountOf(file)
		if i < 0 {
			found(at, fmt.Sprintf("no volume is mounted where --rules %s is", file), "mount the ConfigMap of the rules as the directory "+path.Dir(file))
			continue
		}
		v, volumes := s.pod.volume(s.Mounts[i].Name)
		if v == nil {
			found(s.at.in("volumeMounts", i, "name"), fmt.Sprintf("the pod has no volume %s", s.Mounts[i].Name), "add it at "+volumes.String())
			continue
		}
		if v.ConfigMap != nil && len(v.ConfigMap.Items) > 0 && s.rulesKey(i, v) == "" {
			found(at, fmt.Sprintf("the items of volume %s have no file %s", v.Name, path.Base(file)), "correct --rules, or leave items out")
		}
	}
}

// rulesKey returns the key of the ConfigMap that the rules file is, in the mount of
// index i, or "" where the items of the volume leave it out.
func (s server) rulesKey(i int, v *volume) string {
	mount := s.Mounts[i]
	file := strings.TrimPrefix(strings.TrimPrefix(path.Clean(s.flag("rules", "")), path.Clean(mount.Path)), "/")
	file = path.Join(mount.SubPath, file)
	if len(v.ConfigMap.Items) == 0 {
		return file
	}
	for _, item := range v.ConfigMap.Items {
		if path.Clean(item.Path) == file {
			return item.Key
		}
	}
	return ""
}

// rulesConfigMap finds a tagproc whose rules file no ConfigMap has.
func rulesConfigMap(m *model, found found) {
	for _, s := range m.servers() {
		i := s.mountOf(s.flag("rules", ""))
		if i < 0 {
			continue
		}
		v, at := s.pod.volume(s.Mounts[i].Name)
		if v == nil || v.ConfigMap == nil {
			continue
		}
		space := namespace(s.pod.doc)
		d := m.configMap(space, v.ConfigMap.Name)
		if d == nil {
			if r := slices.IndexFunc(m.rules, func(r *ruleSet) bool { return r.configMap != nil }); r >= 0 {
				found(at.in("configMap", "name"), fmt.Sprintf("there is no ConfigMap %s in namespace %s; the rules are in %s: the pod does not start", v.ConfigMap.Name, space, id(m.rules[r].configMap)),
					"correct the name, or its namespace")
			}
			continue
		}
		key := s.rulesKey(i, v)
		if key == "" || d.Get("data", key).Exists() || d.Get("binaryData", key).Exists() {
			continue
		}
		var keys []string
		for _, e := range d.Get("data").Entries() {
			keys = append(keys, e.Key())
		}
		found(s.argument("rules"), fmt.Sprintf("%s has no key %s, only %s: tagproc finds no rules file and ends", id(d), key, list(keys)),
			"name the key in --rules")
	}
}

func (m *model) configMap(space, name string) *source.Document {
	for _, d := range m.configs {
		if d.Name == name && namespace(d) == space {
			return d
		}
	}
	return nil
}

// subPath finds rules that are mounted in the way that is never updated.
func subPath(m *model, found found) {
	for _, s := range m.servers() {
		i := s.mountOf(s.flag("rules", ""))
		if i < 0 || s.Mounts[i].SubPath == "" && s.Mounts[i].SubPathExpr == "" {
			continue
		}
		found(s.at.in("volumeMounts", i, "subPath"), "Kubernetes never updates what is mounted with subPath: tagproc sees no edit of the rules until the pod is replaced", "mount the ConfigMap as a directory")
	}
}

// immutableRules finds rules that cannot be edited.
func immutableRules(m *model, found found) {
	for _, r := range m.rules {
		if r.configMap != nil && r.configMap.Text("immutable") == "true" {
			found(place{r.configMap, []any{"immutable"}}, "an immutable ConfigMap cannot be edited: each change of the rules needs a new one, and new pods", "leave immutable out")
		}
	}
}

// memoryUnit finds a limit of memory in units that Go does not know.
func memoryUnit(m *model, found found) {
	for _, s := range m.servers() {
		for i, e := range s.Env {
			if e.Name == "GOMEMLIMIT" && e.Value != "" && e.Value != "off" && !goMemory.MatchString(e.Value) {
				found(s.at.in("env", i), fmt.Sprintf("GOMEMLIMIT %s is not in the units of Go: the program does not start", e.Value), "write for example 200MiB, or leave it out: tagproc sets it by the limit of the container")
			}
		}
	}
}

// goMemory is the form of GOMEMLIMIT, by Go's package runtime.
var goMemory = regexp.MustCompile(`^[0-9]+(([KMGT]i)?B)?$`)

// notReady finds a tagproc that is asked before its rules are live.
func notReady(m *model, found found) {
	for _, s := range m.servers() {
		switch isGateway := s.pod.isGateway(); {
		case s.Readiness != nil || isGateway && s.Startup != nil:
		case isGateway:
			found(s.at, "the gateway takes requests before the rules are live: they go on untagged", "add a startupProbe: httpGet of /readyz at the port of --admin")
		default:
			found(s.at, "Kubernetes sends requests before the rules are live and while tagproc drains: they go on untagged", "add a readinessProbe: httpGet of /readyz at the port of --admin")
		}
	}
}

// probeAddress finds probes that nobody answers.
func probeAddress(m *model, found found) {
	for _, s := range m.servers() {
		host, port, err := net.SplitHostPort(s.flag("admin", contract.DefaultAdmin))
		for _, p := range []struct {
			field string
			probe *probe
		}{{"startupProbe", s.Startup}, {"readinessProbe", s.Readiness}, {"livenessProbe", s.Liveness}} {
			if p.probe == nil || p.probe.HTTP == nil {
				continue
			}
			at := s.at.in(p.field, "httpGet")
			switch asked := s.port(p.probe.HTTP.Port); {
			case err != nil || isLoopback(host):
				found(at, fmt.Sprintf("the kubelet asks at the pod's address, and tagproc answers at --admin %s alone", s.flag("admin", contract.DefaultAdmin)), "add --admin=:9090")
			case strconv.Itoa(asked) != port:
				found(at.in("port"), fmt.Sprintf("the probe asks port %s, and --admin is at %s", p.probe.HTTP.Port, port), "ask the port of --admin")
			case !slices.Contains([]string{"/healthz", "/readyz", "/"}, p.probe.HTTP.Path):
				found(at.in("path"), fmt.Sprintf("tagproc has no %s, and answers 404", p.probe.HTTP.Path), "ask /readyz, or /healthz for liveness")
			}
		}
	}
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// defaultGrace is that of Kubernetes.
const defaultGrace = 30 * time.Second

// gracePeriod finds a pod that is killed while tagproc drains.
func gracePeriod(m *model, found found) {
	for _, s := range m.servers() {
		delay, err := time.ParseDuration(s.flag("drain-delay", "0s"))
		if err != nil {
			continue // serve refuses it
		}
		grace := defaultGrace
		if s.pod.Spec.Grace != nil {
			grace = time.Duration(*s.pod.Spec.Grace * float64(time.Second))
		}
		if grace < delay+contract.DrainTime {
			found(s.pod.in("spec", "terminationGracePeriodSeconds"), fmt.Sprintf("tagproc takes --drain-delay %v and %v more to end, and is killed after %v: requests under way are lost", delay, contract.DrainTime, grace),
				fmt.Sprintf("give it %d", int((delay+contract.DrainTime).Seconds())+5))
		}
	}
}
