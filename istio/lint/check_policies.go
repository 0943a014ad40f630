package lint

import (
	"fmt"
	"strconv"
	"strings"
)

const untagged = ": every request goes on untagged"

// networkPolicies finds NetworkPolicies that keep the gateway from tagproc.
func networkPolicies(m *model, found found) {
	m.eachCall(func(c caller, s server, port int) {
		var closed *networkPolicy
		for _, p := range m.networks {
			is, surely := p.selects(s.pod)
			if is && p.admits(m, c, s.container, port) {
				return
			}
			if is && surely && closed == nil {
				closed = p
			}
		}
		if closed == nil {
			return
		}
		from := "podSelector: {matchLabels: " + labelLines(c.selector) + "}"
		if c.namespace != "" && c.namespace != namespace(closed.doc) {
			from = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: " + c.namespace + "}}, " + from
		}
		found(closed.in("spec", "ingress"), fmt.Sprintf("%s lets nobody with the labels %s%s in at port %d, and those are the gateway's pods (%s)%s",
			id(closed.doc), labelText(c.selector), c.where(), port, c.at, untagged), "add under from: - {"+from+"}")
	})
}

// authorizationPolicies finds AuthorizationPolicies that keep the gateway from
// tagproc.
func authorizationPolicies(m *model, found found) {
	m.eachCall(func(c caller, s server, port int) {
		var closed *authorizationPolicy
		for _, p := range m.authorizations {
			if !p.selects(s.pod) {
				continue
			}
			if p.admits(c, port) {
				return
			}
			if closed == nil {
				closed = p
			}
		}
		if closed == nil {
			return
		}
		account, who := c.account, "the ServiceAccount "+c.account
		if account == "" {
			account, who = "NAME", "a ServiceAccount"
		}
		found(closed.in("spec", "rules"), fmt.Sprintf("no rule of %s lets %s%s in at port %d, and the gateway's pods have it (%s)%s", id(closed.doc), who, c.where(), port, c.at, untagged),
			fmt.Sprintf(`add to its principals: "*/ns/%s/sa/%s"`, c.namespace, account))
	})
}

// eachCall calls f for each gateway that asks each tagproc by its Service, and the
// port of the pod.
func (m *model) eachCall(f func(c caller, s server, port int)) {
	servers := m.servers()
	for _, filter := range m.filters {
		o := parseOutbound(filter.Cluster())
		if o == nil || m.service(o.host) == nil {
			continue
		}
		service := m.service(o.host)
		number, err := strconv.Atoi(o.port)
		asked, _ := service.port(number)
		if err != nil || asked == nil {
			continue
		}
		pods := map[*workload]bool{}
		for _, w := range m.selected(service) {
			pods[w] = true
		}
		for _, c := range m.callers(filter) {
			for _, s := range servers {
				if pods[s.pod] {
					f(c, s, s.port(asked.target()))
				}
			}
		}
	}
}

// where returns the namespace of a caller, for a message, or "".
func (c caller) where() string {
	if c.namespace == "" {
		return ""
	}
	return " in namespace " + c.namespace
}

// labelLines writes labels as YAML has them in brackets, in order.
func labelLines(labels map[string]string) string {
	var lines []string
	for _, k := range sortedKeys(labels) {
		lines = append(lines, k+": "+labels[k])
	}
	return "{" + strings.Join(lines, ", ") + "}"
}
