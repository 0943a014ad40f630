package propagation

import (
	"cmp"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// defaultNamespace is where objects are whose manifests do not say it.
const defaultNamespace = "default"

// Propagation returns the EnvoyFilter with which the sidecars of s restore tags,
// and with Options.Inbound collect them. It has the name of s unless options have
// another. Errors are about options, and each begins with the option's name as a
// flag.
func Propagation(s *Scope, o Options) (*manifest.Object, error) {
	set, err := o.settings()
	if err != nil {
		return nil, err
	}
	filter := set.filter(s.Name, s.Namespace, s.Selector)
	filter.Comment = set.propagationPurpose()
	restore, err := set.propagationFilter(s, contract.Restore)
	if err != nil {
		return nil, err
	}
	filter.Patches = append(filter.Patches, envoyfilter.First(envoyfilter.Outbound, restore, "Outbound: members become headers."+first))
	if err := addSpellings(filter, s.Headers); err != nil {
		return nil, err
	}
	if o.Inbound {
		collect, err := set.propagationFilter(s, contract.Collect)
		if err != nil {
			return nil, err
		}
		filter.Patches = append(filter.Patches, envoyfilter.BeforeRouter(envoyfilter.Inbound, collect,
			"Inbound: headers become members, behind authentication, before the application."))
	}
	if err := set.addCluster(filter, propagationCluster); err != nil {
		return nil, err
	}
	return filter.Object(), nil
}

// propagationPurpose says what the object is for, and when to render it again.
func (s *settings) propagationPurpose() string {
	text := "Tags travel the call chain as members of the header baggage, which the applications\n" +
		"pass on. Outbound, sidecars make request headers of these members again, before the\n" +
		"route is chosen."
	if s.Inbound {
		text += " Inbound, they make members of request headers, for tags that something\nother than tagproc set."
	}
	text += "\n\nIt follows from the names of the headers that travel. An edit of ratios or users\n" +
		"changes nothing here; a tag header that comes or goes does, unless a prefix below\nnames it."
	if s.DataPath == ExtProc {
		text += " tagproc at the socket restores what its own rules say\nunder propagation."
	}
	return text
}

// first says why outbound filters are before all others.
const first = "\nIt stands first: of what filters behind it read off the route, for faults, CORS and\n" +
	"Istio's ALPN, they see that of the route which the tag chooses. A header that\n" +
	"changes makes Envoy choose the route again."

// Names of clusters: two of one name would be one.
const (
	propagationCluster = "tagproc.propagation"
	recomputeCluster   = "tagproc.recompute"
)

// propagationFilter returns the HTTP filter of a direction.
func (s *settings) propagationFilter(scope *Scope, d contract.Direction) (*manifest.Tree, error) {
	write, mutable := restoreSource, envoyfilter.Expression(scope.Headers)
	if d == contract.Collect {
		write, mutable = collectSource, envoyfilter.Expression(rules.Owned{}, contract.Baggage)
	}
	if s.DataPath == ExtProc {
		return extProcFilter(d, propagationCluster, mutable)
	}
	lua, err := write(scope.Headers)
	if err != nil {
		return nil, err
	}
	return luaFilter(d, lua)
}

// filter returns the EnvoyFilter without its patches, named as it is unless options
// say otherwise.
func (s *settings) filter(name, namespace string, selector map[string]string) *envoyfilter.Filter {
	if len(s.selector) > 0 {
		selector = s.selector
	}
	return &envoyfilter.Filter{
		Name:      cmp.Or(s.Name, name),
		Namespace: cmp.Or(s.Namespace, namespace, defaultNamespace),
		Selector:  selector,
		Selected:  "The pods whose sidecars do it.",
	}
}

// addCluster adds the cluster of tagproc's socket where it is asked.
func (s *settings) addCluster(f *envoyfilter.Filter, name string) error {
	if s.DataPath != ExtProc {
		return nil
	}
	cluster, err := envoyfilter.SocketCluster(name, s.address.Socket,
		"Mounted into every sidecar: annotations sidecar.istio.io/userVolume and\nsidecar.istio.io/userVolumeMount of its pod.")
	if err != nil {
		return err
	}
	f.Patches = append(f.Patches, envoyfilter.AddCluster(envoyfilter.Outbound, cluster, "Where tagproc is: a Unix socket."))
	return nil
}
