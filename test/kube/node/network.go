package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/tagproc/tagproc/internal/isolate"
	"github.com/tagproc/tagproc/test/kube/cluster"
)

// Address is the node's, by which pods reach what listens on this machine.
const Address = "10.244.0.1"

// forwarding says whether packets go from one pod to another.
const forwarding = "/proc/sys/net/ipv4/ip_forward"

// prepare makes an isolated process's machine ready for a node.
func prepare() error {
	if err := isolate.Prepare(); err != nil {
		return err
	}
	// A kubelet writes there, whatever it is told.
	if err := unix.Mount("tmpfs", "/var/log", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("couldn't mount an empty /var/log: %w", err)
	}
	// Many a machine has it so already, and lets nobody write there.
	if now, err := os.ReadFile(forwarding); err == nil && now[0] == '1' {
		return route()
	}
	if err := os.WriteFile(forwarding, []byte("1"), 0o600); err != nil {
		return fmt.Errorf("couldn't let pods reach each other: %w; %s has to be writable in a network namespace of one's own: in a container, run it with --privileged", err, forwarding)
	}
	return route()
}

// route gives the node its address, and services a way to the node's rules.
func route() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	own := netip.MustParsePrefix(Address + "/32")
	// Connections to services begin here, and are sent to a pod before they leave.
	services := &netlink.Route{LinkIndex: lo.Attrs().Index, Dst: ipNet(netip.MustParsePrefix(cluster.Services)), Src: own.Addr().AsSlice()}
	if err := errors.Join(netlink.AddrAdd(lo, &netlink.Addr{IPNet: ipNet(own)}), netlink.RouteAdd(services)); err != nil {
		return fmt.Errorf("couldn't give the node its address: %w", err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}
}

// A network is that of a pod: a namespace with one link, to the node, which forwards. So
// all that a pod sends passes the node's rules for services, and pods see each other's
// addresses.
type network struct {
	address   netip.Addr
	namespace string // the path by which processes enter it
	link      string // the node's end
}

// newNetwork makes the network of a node's nth pod, from 1 on, and keeps it in a directory.
func newNetwork(dir string, n int) (*network, error) {
	w := &network{
		address: netip.AddrFrom4([4]byte{10, 244, byte(1 + n/250), byte(n%250 + 1)}),
		link:    fmt.Sprintf("pod%d", n),
	}
	w.namespace = filepath.Join(dir, w.link)
	if err := w.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("couldn't make a network namespace: %w", err), w.close())
	}
	return w, nil
}

func (w *network) open() error {
	if err := os.WriteFile(w.namespace, nil, 0o600); err != nil {
		return err
	}
	// Not /proc/self: that is the process's first thread, which may have become a pod's.
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
		made <- w.inside(int(outside.Fd()))
	}()
	if err := <-made; err != nil {
		return err
	}
	link, err := netlink.LinkByName(w.link)
	if err != nil {
		return err
	}
	return errors.Join(netlink.LinkSetUp(link), netlink.RouteAdd(&netlink.Route{
		LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK,
		Dst: ipNet(netip.PrefixFrom(w.address, 32)), Src: net.ParseIP(Address),
	}))
}

// inside moves this thread into a namespace and sets that up. outside is the node's.
func (w *network) inside(outside int) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := unix.Mount("/proc/thread-self/ns/net", w.namespace, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	eth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: w.link, PeerNamespace: netlink.NsFd(outside)}
	if err := netlink.LinkAdd(eth); err != nil {
		return fmt.Errorf("couldn't make a pair of interfaces: %w; the kernel needs the module veth", err)
	}
	return errors.Join(
		netlink.LinkSetUp(lo),
		netlink.AddrAdd(eth, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(w.address, 32))}),
		netlink.LinkSetUp(eth),
		netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Index, Scope: netlink.SCOPE_LINK, Dst: ipNet(netip.MustParsePrefix(Address + "/32"))}),
		netlink.RouteAdd(&netlink.Route{LinkIndex: eth.Index, Gw: net.ParseIP(Address)}),
	)
}

// close removes what newNetwork made. The pod's processes have to have ended.
func (w *network) close() error {
	// The kernel would remove the link too, some time after the namespace.
	if link, err := netlink.LinkByName(w.link); err == nil {
		if err := netlink.LinkDel(link); err != nil {
			return fmt.Errorf("couldn't remove a pod's link: %w", err)
		}
	}
	err := unix.Unmount(w.namespace, unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) { // it was not mounted yet
		err = nil
	}
	if err := errors.Join(err, os.Remove(w.namespace)); err != nil {
		return fmt.Errorf("couldn't remove a network namespace: %w", err)
	}
	return nil
}
