package promotion

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/source"
)

// envoys notes what goes of Envoys' own configurations. Each is a file.
func (f *finder) envoys(docs []*source.Document) (problems source.Problems) {
	var files []string
	of := map[string][]*source.Document{}
	for _, d := range docs {
		if !envoyconf.Is(d.Value) {
			continue
		}
		if of[d.File] == nil {
			files = append(files, d.File)
		}
		of[d.File] = append(of[d.File], d)
	}
	for _, file := range files {
		config, wrong := envoyconf.Read(of[file])
		f.envoy(config)
		problems = append(problems, wrong...)
	}
	return problems
}

// envoy notes the routes of one Envoy that go, and the clusters that only these lead to.
func (f *finder) envoy(c *envoyconf.Config) {
	all := slices.Clone(c.Routes)
	for _, l := range c.Listeners {
		for _, chain := range l.Chains {
			if chain.HTTP != nil && chain.HTTP.Routes != nil && !slices.Contains(all, chain.HTTP.Routes) {
				all = append(all, chain.HTTP.Routes)
			}
		}
	}
	var gone, kept, untagged []string // clusters
	for _, routes := range all {
		for _, h := range routes.Hosts {
			goes := false
			var takers []string
			for _, r := range h.Routes {
				var clusters []string
				for _, c := range r.Target(&envoyconf.Request{}).Clusters {
					clusters = append(clusters, c.Cluster)
				}
				line := fmt.Sprintf("%s: route %s of virtual host %s", r.Place(), cmp.Or(r.GetName(), fmt.Sprint(r.Index+1)), h.GetName())
				asks, unclear, looks := f.asksEnvoy(r)
				switch {
				case asks:
					goes = true
					f.left.Routes, gone = add(f.left.Routes, line), append(gone, clusters...)
					continue
				case unclear:
					f.left.Unclear = add(f.left.Unclear, line)
				case !looks:
					takers = append(takers, clusters...)
				}
				kept = append(kept, clusters...)
			}
			if goes {
				untagged = append(untagged, takers...)
			}
		}
	}
	for _, name := range gone {
		if !slices.Contains(kept, name) {
			f.left.Clusters = add(f.left.Clusters, clusterLine(c, name))
		}
	}
	for _, name := range untagged {
		f.left.Takers = add(f.left.Takers, clusterLine(c, name))
	}
}

func clusterLine(c *envoyconf.Config, name string) string {
	if cluster := c.Cluster(name); cluster != nil {
		return fmt.Sprintf("%s: cluster %s", cluster.Place(), name)
	}
	return "cluster " + name
}

// asksEnvoy reports whether a route is for the tag alone, or sets it; whether it may be, by a
// pattern; and whether it looks at the tag header at all.
func (f *finder) asksEnvoy(r *envoyconf.Route) (asks, unclear, looks bool) {
	for _, o := range r.GetRequestHeadersToAdd() {
		if strings.EqualFold(o.GetHeader().GetKey(), f.header) && o.GetHeader().GetValue() == f.tag {
			return true, false, true
		}
	}
	for _, h := range r.GetMatch().GetHeaders() {
		if !strings.EqualFold(h.GetName(), f.header) {
			continue
		}
		looks = true
		switch exact := envoyconf.Exact(h); {
		case h.GetInvertMatch(): // it is for others too
		case exact != "":
			asks = asks || exact == f.tag
		default:
			unclear = unclear || envoyconf.Takes(h, f.tag) != envoyconf.No
		}
	}
	return asks, unclear && !asks, looks
}
