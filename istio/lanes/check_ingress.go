package lanes

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/source"
)

func (c *checker) rules() {
	if c.d.weighted != nil {
		for _, rule := range c.d.rules {
			c.warn(rule.at, KindNoEffect, "rule %s has no effect: the group spreads requests by weight", source.Shorten(rule.name))
		}
		return
	}
	if len(c.d.rules) > 0 && c.g.Gateway.IsZero() {
		c.note(c.d.rules[0].at, "the group has no gateway: its rules make no routes")
		return
	}
	if len(c.d.rules) == 0 && !c.g.Gateway.IsZero() && c.Errors() == 0 {
		c.note(c.d.gatewayAt, "no rule says which requests enter at gateway %s: it gets no routes", c.g.Gateway)
	}
	for _, d := range c.d.rules {
		rule := IngressRule{Name: d.name, Lane: d.lane.v, Hosts: c.hosts(d.hosts), Matches: d.matches, Offline: d.offline}
		var ok bool
		if rule.Service, rule.Port, ok = c.target(d.target); ok && c.firstToTake(d, &rule) {
			c.g.Rules = append(c.g.Rules, rule)
		}
	}
}

// firstToTake reports whether no rule before takes the same requests.
func (c *checker) firstToTake(d ruleDraft, rule *IngressRule) bool {
	if d.offline {
		return true
	}
	key := matchKey(rule.Matches)
	free := 0
	for _, h := range rule.Hosts {
		taken, is := c.requests[h+" "+key]
		if !is {
			c.requests[h+" "+key] = text{v: fmt.Sprintf("%s of lane %s", rule.Name, rule.Lane)}
			free++
			continue
		}
		c.warn(d.at, KindNoEffect, "rule %s of lane %s takes no request for host %s: rule %s takes the same ones", source.Shorten(rule.Name), rule.Lane, h, source.Shorten(taken.v))
	}
	return free > 0
}

// matchKey is equal for equal conditions.
func matchKey(matches []*networking.HTTPMatchRequest) string {
	var b strings.Builder
	for _, m := range matches {
		text, err := protojson.Marshal(m)
		if err != nil {
			continue // not UTF-8: told when it is written
		}
		b.Write(text)
	}
	return strings.ReplaceAll(b.String(), " ", "") // protojson puts spaces in at random
}

func (c *checker) hosts(texts []text) []string {
	if len(texts) == 0 {
		return []string{"*"}
	}
	var hosts []string
	for _, t := range texts {
		h := strings.ToLower(t.v)
		if len(h) > 253 || !dnsHost().MatchString(h) {
			c.error(t.at, KindHost, "%q is not a host; expected a name in DNS, *.DOMAIN or *", source.Shorten(t.v))
		} else if !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// target returns the service by which requests enter, and its port if that is
// known.
func (c *checker) target(t target) (s Service, port uint32, ok bool) {
	if t.service.Namespace == "" {
		for _, s := range c.g.Services {
			if s.Name == t.service.Name {
				t.service.Service = s // a short name: the first one
				break
			}
		}
	}
	if !c.inGroup(t.service) {
		return Service{}, 0, false
	}
	ports, known := c.ports[t.service.Service]
	switch {
	case t.port == 0 && len(ports) == 1:
		return t.service.Service, ports[0], true
	case t.port == 0 && len(ports) > 1:
		c.error(t.service.at, KindPort, "%s has the ports %s; say which one requests enter by", t.service.Service, join(ports))
		return Service{}, 0, false
	case t.port != 0 && known && !slices.Contains(ports, t.port):
		c.error(t.portAt, KindPort, "%s has no port %d; it has %s", t.service.Service, t.port, join(ports))
		return Service{}, 0, false
	}
	return t.service.Service, t.port, true
}

func join(ports []uint32) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ports), " ", ", "), "[]")
}

func (c *checker) weights() {
	for i, l := range c.d.lanes {
		if l.share != nil && c.d.weighted == nil {
			c.warn(c.d.lanes[i].share.at, KindNoEffect, "the weight of lane %s has no effect: ingressRoutingStrategy is not weighted", l.name.v)
		}
	}
	w := c.d.weighted
	if w == nil || c.g.Gateway.IsZero() {
		return
	}
	c.warn(w.at, KindNoEffect, "weighted chooses the lane of each request by chance and ignores tags: a user goes from lane to lane; ingress rules by the route header keep users where they are")
	before := c.Errors()
	rule := &WeightedRule{Hosts: c.hosts(w.hosts), Matches: slices.DeleteFunc(w.matches, isEmpty)}
	if len(rule.Matches) < len(w.matches) {
		rule.Matches = nil // one of them holds always
	}
	sum := 0
	for _, l := range c.d.lanes {
		if l.share == nil {
			c.note(l.at, "lane %s has no ingressWeight: it gets no requests at the gateway", l.name.v)
			continue
		}
		if l.share.target.service.at.IsZero() {
			c.error(l.share.at, source.KindMissing, "the weight of lane %s has no destination.host", l.name.v)
			continue
		}
		share := Share{Lane: l.name.v, Weight: int32(l.share.weight)}
		var ok bool
		if share.Service, share.Port, ok = c.target(l.share.target); ok && share.Weight > 0 {
			rule.Shares = append(rule.Shares, share)
		}
		sum += l.share.weight
	}
	if sum == 0 && c.Errors() == before {
		c.error(w.at, KindWeight, "every lane has weight 0: none would answer")
	}
	c.g.Weighted = rule
}
