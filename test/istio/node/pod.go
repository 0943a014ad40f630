package node

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Pod is a network namespace with an address of its own.
type Pod struct {
	Address   netip.Addr
	Namespace string // the path by which processes enter it

	link string
}

// AddPod makes a pod. If intercept, its TCP connections go through a sidecar, at
// Outbound and Inbound, except those to the pod at the ports of except.
func (n *Node) AddPod(intercept bool, except ...uint16) (*Pod, error) {
	n.mu.Lock()
	n.pods++
	number := n.pods
	n.mu.Unlock()
	p := &Pod{
		Address: netip.AddrFrom4([4]byte{10, byte(n.number), byte(number / 250), byte(number%250 + 2)}),
		link:    fmt.Sprintf("n%dp%d", n.number, number),
	}
	p.Namespace = filepath.Join(namespaces, p.link)
	if err := p.open(n, intercept, except); err != nil {
		return nil, errors.Join(fmt.Errorf("couldn't make a network namespace: %w", err), p.Close())
	}
	return p, nil
}

func (p *Pod) open(n *Node, intercept bool, except []uint16) error {
	if err := os.WriteFile(p.Namespace, nil, 0o600); err != nil {
		return err
	}
	// Not /proc/self: that is the process's first thread, which may have become a
	// pod's.
	outside, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer outside.Close()

	made := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine instead of going on in the
		// pod's namespace.
		runtime.LockOSThread()
		made <- p.inside(int(outside.Fd()), n.Address(), intercept, except)
	}()
	if err := <-made; err != nil {
		return err
	}
	link, err := netlink.LinkByName(p.link)
	if err != nil {
		return err
	}
	return errors.Join(netlink.LinkSetMaster(link, n.bridge), netlink.LinkSetUp(link))
}

// inside moves this thread into a namespace and sets that up. outside is the
// node's.
func (p *Pod) inside(outside int, gateway netip.Addr, intercept bool, except []uint16) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := unix.Mount("/proc/thread-self/ns/net", p.Namespace, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	eth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: p.link, PeerNamespace: netlink.NsFd(outside)}
	if err := netlink.LinkAdd(eth); err != nil {
		return fmt.Errorf("couldn't make a pair of interfaces: %w; the kernel needs the module veth", err)
	}
	if err := errors.Join(addAddress(eth, p.Address, 17), netlink.LinkSetUp(eth)); err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Index, Gw: gateway.AsSlice()}); err != nil {
		return err
	}
	if !intercept {
		return nil
	}
	return redirect(except)
}

// Close removes what AddPod made. The pod's processes have to have ended.
func (p *Pod) Close() error {
	// The kernel would remove the link too, some time after the namespace.
	if link, err := netlink.LinkByName(p.link); err == nil {
		if err := netlink.LinkDel(link); err != nil {
			return fmt.Errorf("couldn't remove a pod's link: %w", err)
		}
	}
	err := unix.Unmount(p.Namespace, unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) { // it was not mounted yet
		err = nil
	}
	if err := errors.Join(err, os.Remove(p.Namespace)); err != nil {
		return fmt.Errorf("couldn't remove a network namespace: %w", err)
	}
	return nil
}
