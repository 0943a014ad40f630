// Command node is what a node of a Kubernetes for tests has beside its container runtime:
// Kubernetes' own kubelet, and what gives cluster IPs and names of services a meaning, as
// a kube-proxy and a cluster's DNS do. It runs in network and mount namespaces of tests.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// options are what the flags say.
type options struct {
	kubeconfig string
	name       string
	address    netip.Addr   // of the node, which its network has
	services   netip.Prefix // of cluster IPs
	runtime    string       // the socket of the container runtime
	dir        string       // for what the kubelet writes
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "file with the address of the API server and an administrator's credentials")
	flag.StringVar(&o.name, "name", "node", "name of the node")
	flag.TextVar(&o.address, "address", netip.Addr{}, "address of the node, which its network has")
	flag.TextVar(&o.services, "services", netip.Prefix{}, "cluster IPs")
	flag.StringVar(&o.runtime, "runtime", "", "socket of the container runtime")
	flag.StringVar(&o.dir, "dir", "", "directory for what the kubelet writes")
	flag.Parse()
	if err := run(context.Background(), &o); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

// run returns when a part of the node has failed.
func run(ctx context.Context, o *options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	names, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp4", net.JoinHostPort(o.address.String(), "53"))
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	p, err := newProxy(factory, o.services)
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	failed := make(chan error, 3)
	go func() { failed <- p.follow() }()
	go func() { failed <- p.resolve(names) }()
	go func() { failed <- runKubelet(ctx, o) }()
	return <-failed
}
