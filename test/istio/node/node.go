package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"
)

// namespaces is where the network namespaces of pods are kept from ending with
// their last process.
const namespaces = "/run/netns"

// A Node is a network of pods: a bridge, 10.N.0.0/17 for pods and 10.N.128.0/17
// for services.
type Node struct {
	number int
	bridge netlink.Link

	mu       sync.Mutex
	pods     int // that were added
	services int
}

var taken struct {
	mu      sync.Mutex
	numbers [250]bool
}

// New makes a network beside those that there are.
func New() (*Node, error) {
	n := &Node{}
	taken.mu.Lock()
	for n.number < len(taken.numbers) && taken.numbers[n.number] {
		n.number++
	}
	if n.number == len(taken.numbers) {
		taken.mu.Unlock()
		return nil, fmt.Errorf("couldn't make a network: there are %d", n.number)
	}
	taken.numbers[n.number] = true
	taken.mu.Unlock()

	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("node%d", n.number)}}
	if err := netlink.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("couldn't make a bridge: %w; the kernel needs the module bridge", err)
	}
	n.bridge = bridge
	if err := errors.Join(addAddress(bridge, n.Address(), 17), netlink.LinkSetUp(bridge)); err != nil {
		return nil, errors.Join(fmt.Errorf("couldn't set up a bridge: %w", err), n.Close())
	}
	return n, nil
}

// Address is the node's own.
func (n *Node) Address() netip.Addr { return netip.AddrFrom4([4]byte{10, byte(n.number), 0, 1}) }

// NewService returns an address for a service, which the node listens on.
func (n *Node) NewService() (netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.services++
	a := netip.AddrFrom4([4]byte{10, byte(n.number), byte(128 + n.services/250), byte(n.services%250 + 1)})
	if err := addAddress(n.bridge, a, 32); err != nil {
		return netip.Addr{}, fmt.Errorf("couldn't add the address %s: %w", a, err)
	}
	return a, nil
}

// Close removes the bridge. The pods have to be closed before.
func (n *Node) Close() error {
	err := netlink.LinkDel(n.bridge)
	taken.mu.Lock()
	taken.numbers[n.number] = false
	taken.mu.Unlock()
	if err != nil {
		return fmt.Errorf("couldn't remove a bridge: %w", err)
	}
	return nil
}

func addAddress(link netlink.Link, a netip.Addr, bits int) error {
	return netlink.AddrAdd(link, &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, 32)}})
}
