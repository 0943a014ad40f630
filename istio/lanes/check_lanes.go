package lanes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/source"
)

func (c *checker) lanes() {
	switch n := len(c.d.lanes); {
	case n == 0 && c.d.whole:
		c.error(c.d.at, source.KindMissing, "the group %s has no lanes", c.d.name.v)
	case n > maxLanes:
		c.error(c.d.lanes[maxLanes].at, source.KindTooLarge, "the group has %d lanes; the most is %d", n, maxLanes)
		return
	}
	for _, d := range c.d.lanes {
		switch {
		case !d.name.set && d.whole:
			c.error(d.at, source.KindMissing, "lane has no name")
		case !d.name.set:
		case c.g.Lane(d.name.v) != nil:
			c.error(d.name.at, source.KindDuplicateKey, "duplicate lane %s", d.name.v)
		case c.name(d.name, "a lane", manifest.IsDNSLabel):
			c.lane(d)
		}
	}
}

func (c *checker) lane(d laneDraft) {
	l := Lane{Name: d.name.v, Labels: d.labels, Services: c.servicesOf(d)}
	c.labels(d.labelsAt, fmt.Sprintf("the lane %s", l.Name), d.labels)
	for _, other := range c.g.Lanes {
		if len(d.labels) > 0 && maps.Equal(other.Labels, d.labels) {
			c.warn(d.labelsAt, KindLabels, "the lanes %s and %s have the same pods: their labels are equal", other.Name, l.Name)
		}
	}
	for _, own := range d.serviceLabels {
		s := own.service
		switch {
		case c.d.strict:
			c.error(s.at, KindLabels, "serviceLabels are for loose mode: in strict mode the labels of a caller's pod say in which lane it is")
		case !c.inGroup(s):
		case !l.Has(s.Service):
			c.error(s.at, KindMissingService, "lane %s has labels for %s, but not the service", l.Name, s.Service)
		default:
			c.labels(s.at, fmt.Sprintf("%s in lane %s", s.Service, l.Name), own.labels)
			if l.ServiceLabels == nil {
				l.ServiceLabels = map[Service]map[string]string{}
			}
			l.ServiceLabels[s.Service] = own.labels
		}
	}
	c.g.Lanes = append(c.g.Lanes, l)
}

// servicesOf returns the services of a lane, in the order of the group.
func (c *checker) servicesOf(d laneDraft) (services []Service) {
	if d.all {
		if d.doc != nil && isASM(d.doc, laneKind) && !c.d.strict && d.whole {
			c.warn(d.at.Get("spec"), source.KindMissing, "lane %s lists no services, as lanes in loose mode do: it gets all services of the group", d.name.v)
		}
		return c.g.Services
	}
	has := map[Service]bool{}
	for _, s := range d.services {
		if c.inGroup(s) {
			has[s.Service] = true
		}
	}
	for _, s := range c.g.Services {
		switch {
		case has[s]:
			services = append(services, s)
		case c.d.strict:
			c.error(d.at, KindMissingService, "lane %s has no %s: in strict mode every lane has every service of the group (loose mode falls back to the baseline)", d.name.v, s)
		}
	}
	return services
}

// inGroup reports whether the group has the service, and if not, says so.
func (c *checker) inGroup(s serviceText) bool {
	if slices.Contains(c.g.Services, s.Service) {
		return true
	}
	if len(c.g.Services) == 0 {
		return false // already reported
	}
	c.error(s.at, KindUnknownService, "the group has no service %q", source.Shorten(strings.TrimPrefix(s.String(), "/")))
	return false
}

func (c *checker) labels(p source.Value, of string, labels map[string]string) {
	if labels != nil && len(labels) == 0 {
		c.error(p, KindLabels, "%s selects no pods; expected labels", of)
	}
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if !manifest.IsLabel(key, labels[key]) {
			c.error(p, KindLabels, "%s=%s is not a Kubernetes label", source.Shorten(key), source.Shorten(labels[key]))
		}
	}
}

// fallbacks finds the baseline, and checks that some lane answers for every service.
func (c *checker) fallbacks() {
	c.g.Baseline = c.g.Lanes[0].Name
	switch {
	case c.d.baseline.set && c.g.Lane(c.d.baseline.v) == nil:
		c.error(c.d.baseline.at, KindUnknownLane, "the baseline %q is not a lane of the group", source.Shorten(c.d.baseline.v))
		return
	case c.d.baseline.set:
		c.g.Baseline = c.d.baseline.v
	case isASM(c.d.doc, groupKind) && c.Errors() == 0: // else the lanes may not be all
		which := "first"
		if datesKnown(c.d.lanes) {
			which = "oldest"
		}
		c.note(c.d.at, "group %s names no fallbackTarget: lane %s, the %s, is the baseline", c.g.Name, c.g.Baseline, which)
	}
	c.g.Fallback = map[Service]string{}
	for _, f := range c.d.fallback {
		lane := c.g.Lane(f.lane.v)
		switch {
		case c.d.strict:
			c.warn(f.lane.at, KindNoEffect, "nothing falls back in strict mode")
		case !c.inGroup(f.service):
		case lane == nil:
			c.error(f.lane.at, KindUnknownLane, "%s falls back to %q, which is not a lane of the group", f.service.Service, source.Shorten(f.lane.v))
		case !lane.Has(f.service.Service):
			c.error(f.lane.at, KindMissingService, "%s falls back to lane %s, which does not have the service", f.service.Service, f.lane.v)
		default:
			c.g.Fallback[f.service.Service] = f.lane.v
		}
	}
	for i, s := range c.g.Services {
		if _, own := c.g.Fallback[s]; !own && !c.g.Lane(c.g.Baseline).Has(s) {
			c.error(c.d.services[i].at, KindMissingService, "the baseline, lane %s, has no %s, and no other fallback is named for it", c.g.Baseline, s)
		}
	}
}
