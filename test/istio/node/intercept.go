package node

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// What Istio's init container sets up, with one exception: a mark tells Envoy's own
// connections, not a user, since there is only one user here.
const (
	Mark     = 1337  // of the sockets that Envoy opens
	Outbound = 15001 // where connections of the application go
	Inbound  = 15006 // where connections to the pod go

	ownFirst, ownLast = 15000, 15090 // Envoy's own ports, which are never redirected
)

// redirect sends the TCP connections of the namespace that this thread is in
// through Envoy, except those to the pod at the ports of except.
func redirect(except []uint16) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("couldn't open nf_tables: %w", err)
	}
	table := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "istio"})
	chain := func(name string, hook *nftables.ChainHook, rules ...[]expr.Any) {
		chain := c.AddChain(&nftables.Chain{
			Name: name, Table: table, Type: nftables.ChainTypeNAT,
			Hooknum: hook, Priority: nftables.ChainPriorityNATDest,
		})
		for _, rule := range rules {
			c.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: rule})
		}
	}
	pass := []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}

	inbound := [][]expr.Any{join(tcp(), ports(ownFirst, ownLast), pass)}
	for _, port := range except {
		inbound = append(inbound, join(tcp(), ports(port, port), pass))
	}
	chain("prerouting", nftables.ChainHookPrerouting, append(inbound, join(tcp(), to(Inbound)))...)
	chain("output", nftables.ChainHookOutput,
		join(source(127, 0, 0, 6), pass), // Envoy, to its own application
		join(destination127(), pass),
		join(mark(), loopback(), tcp(), to(Inbound)), // Envoy, to its own pod by a service
		join(mark(), pass),
		join(tcp(), to(Outbound)),
	)
	if err := c.Flush(); err != nil {
		return fmt.Errorf("couldn't redirect a pod's connections: %w; the kernel needs nf_tables with nft_redir and nft_nat", err)
	}
	return nil
}

func join(parts ...[]expr.Any) []expr.Any {
	var rule []expr.Any
	for _, p := range parts {
		rule = append(rule, p...)
	}
	return rule
}

func tcp() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
	}
}

func ports(first, last uint16) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{
			Op: expr.CmpOpEq, Register: 1,
			FromData: binaryutil.BigEndian.PutUint16(first), ToData: binaryutil.BigEndian.PutUint16(last),
		},
	}
}

func source(a ...byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 12, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: a},
	}
}

func destination127() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{127}},
	}
}

func mark() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(Mark)},
	}
}

func loopback() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte("lo\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")},
	}
}

func to(port uint16) []expr.Any {
	return []expr.Any{
		&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
		&expr.Redir{RegisterProtoMin: 1},
	}
}
