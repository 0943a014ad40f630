package main

import (
	"net"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
)

// domain ends the names of services.
const domain = ".svc.cluster.local."

// resolve answers for names of services for ever.
func (p *proxy) resolve(conn net.PacketConn) error {
	packet := make([]byte, 4096)
	for {
		size, from, err := conn.ReadFrom(packet)
		if err != nil {
			return err
		}
		var m dnsmessage.Message
		if m.Unpack(packet[:size]) != nil || len(m.Questions) != 1 {
			continue
		}
		p.answer(&m)
		if reply, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(reply, from) // who asks asks again
		}
	}
}

// answer turns a question into its answer: the cluster IP of a service, the addresses of
// a headless one's pods, or that there is no such name.
func (p *proxy) answer(m *dnsmessage.Message) {
	q := m.Questions[0]
	m.Response, m.Authoritative, m.RecursionAvailable = true, true, true
	m.Additionals = nil
	name, ok := strings.CutSuffix(strings.ToLower(q.Name.String()), domain)
	service, namespace, _ := strings.Cut(name, ".")
	s, err := p.services.Services(namespace).Get(service)
	if !ok || err != nil {
		m.RCode = dnsmessage.RCodeNameError
		return
	}
	if q.Type != dnsmessage.TypeA {
		return
	}
	var all []netip.Addr
	if s.Spec.ClusterIP == corev1.ClusterIPNone {
		for _, port := range s.Spec.Ports {
			ready, _ := p.endpoints(s, port.Name) // of a cache: no error
			for _, e := range ready {
				all = append(all, e.Addr())
			}
		}
	} else if address, err := netip.ParseAddr(s.Spec.ClusterIP); err == nil {
		all = []netip.Addr{address}
	}
	seen := map[netip.Addr]bool{}
	for _, a := range all {
		if seen[a] {
			continue
		}
		seen[a] = true
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: a.As4()},
		})
	}
}
