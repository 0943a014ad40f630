package main

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/cache"
)

// A proxy knows the cluster's services, and where their endpoints are.
type proxy struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
	cidr     netip.Prefix
	changed  chan struct{} // has room for one
}

func newProxy(f informers.SharedInformerFactory, cidr netip.Prefix) (*proxy, error) {
	p := &proxy{f.Core().V1().Services().Lister(), f.Discovery().V1().EndpointSlices().Lister(), cidr, make(chan struct{}, 1)}
	change := func() {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	}
	for _, each := range []cache.SharedInformer{f.Core().V1().Services().Informer(), f.Discovery().V1().EndpointSlices().Informer()} {
		if _, err := each.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(any) { change() }, UpdateFunc: func(any, any) { change() }, DeleteFunc: func(any) { change() },
		}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// follow keeps the kernel's rules for services as the cluster has them.
func (p *proxy) follow() error {
	for range p.changed {
		if err := p.route(); err != nil {
			return err
		}
	}
	return nil // never: it is not closed
}

// endpoints are the addresses of a service's port that take connections: those of pods
// that are ready.
func (p *proxy) endpoints(s *corev1.Service, port string) ([]netip.AddrPort, error) {
	found, err := p.slices.EndpointSlices(s.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: s.Name}))
	if err != nil {
		return nil, err
	}
	var all []netip.AddrPort
	for _, slice := range found {
		for _, named := range slice.Ports {
			if named.Port == nil || named.Name == nil || *named.Name != port || slice.AddressType != discoveryv1.AddressTypeIPv4 {
				continue
			}
			for _, e := range slice.Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready || s.Spec.PublishNotReadyAddresses {
					all = append(all, netip.AddrPortFrom(netip.MustParseAddr(e.Addresses[0]), uint16(*named.Port)))
				}
			}
		}
	}
	slices.SortFunc(all, netip.AddrPort.Compare)
	return slices.Compact(all), nil
}

// route replaces the kernel's rules, all at once: a connection to a cluster IP, from a pod
// or from this machine, goes to a ready endpoint, at random. One that is open stays where
// it is. Without an endpoint it is refused.
func (p *proxy) route() error {
	services, err := p.services.List(labels.Everything())
	if err != nil {
		return err
	}
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("couldn't open nf_tables: %w", err)
	}
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "services"}
	c.AddTable(table)
	c.DelTable(table)
	c.AddTable(table)
	balance := c.AddChain(&nftables.Chain{Name: "balance", Table: table})
	for _, s := range services {
		for _, named := range s.Spec.Ports {
			address, err := netip.ParseAddr(s.Spec.ClusterIP)
			if err != nil { // a headless one
				continue
			}
			all, err := p.endpoints(s, named.Name)
			if err != nil {
				return err
			}
			for i, to := range all {
				c.AddRule(&nftables.Rule{Table: table, Chain: balance, Exprs: slices.Concat(
					protocol(named.Protocol), destination(netip.PrefixFrom(address, 32)), port(uint16(named.Port)), oneOf(len(all)-i), send(to),
				)})
			}
		}
	}
	refused := slices.Concat(protocol(corev1.ProtocolTCP), destination(p.cidr), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
	for _, hook := range []struct {
		name     string
		kind     nftables.ChainType
		hook     *nftables.ChainHook
		priority *nftables.ChainPriority
		rule     []expr.Any
	}{
		{"prerouting", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest, jump},
		{"output", nftables.ChainTypeNAT, nftables.ChainHookOutput, nftables.ChainPriorityNATDest, jump},
		{"refuse-forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter, refused},
		{"refuse-output", nftables.ChainTypeFilter, nftables.ChainHookOutput, nftables.ChainPriorityFilter, refused},
	} {
		chain := c.AddChain(&nftables.Chain{Name: hook.name, Table: table, Type: hook.kind, Hooknum: hook.hook, Priority: hook.priority})
		c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: hook.rule})
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("couldn't route services: %w; the kernel needs nf_tables with nft_nat, nft_numgen and nft_reject_ipv4", err)
	}
	return nil
}

var jump = []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: "balance"}}

func protocol(p corev1.Protocol) []expr.Any {
	number := byte(unix.IPPROTO_TCP)
	if p == corev1.ProtocolUDP {
		number = unix.IPPROTO_UDP
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{number}},
	}
}

func destination(to netip.Prefix) []expr.Any {
	mask := ^uint32(0) << (32 - to.Bits())
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.BigEndian.PutUint32(mask), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: to.Addr().AsSlice()},
	}
}

func port(p uint16) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(p)},
	}
}

// oneOf matches one of n connections, at random.
func oneOf(n int) []expr.Any {
	return []expr.Any{
		&expr.Numgen{Register: 1, Modulus: uint32(n), Type: unix.NFT_NG_RANDOM},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: make([]byte, 4)},
	}
}

func send(to netip.AddrPort) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: to.Addr().AsSlice()},
		&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(to.Port())},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1, RegProtoMin: 2},
	}
}
