package mesh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"

	"github.com/tagproc/tagproc/internal/chain"
	"github.com/tagproc/tagproc/internal/envoy"
)

// Options says how to run a mesh.
type Options struct {
	Tagproc     net.Addr  // where tagproc listens, or will: a *net.TCPAddr of 127.0.0.1, or a *net.UnixAddr
	Binary      string    // the Envoy to run; empty: envoy.Find is asked
	Concurrency int       // Envoy's worker threads; 0: 1
	Log         io.Writer // gets Envoy's log and its access log; may be nil

	// Edit changes the configuration, for what cannot be seen without a change;
	// nil leaves it as it is. Ports and paths are changed in any case.
	Edit func(config string) string
}

// Mesh is the applications and Envoy, running.
type Mesh struct {
	Envoy *envoy.Process

	services map[key]*chain.Service
	client   *http.Client
}

type key struct {
	app  string
	lane Lane
}

// Start runs every application in every lane, and then Envoy. ctx bounds the
// start alone. A failed start leaves nothing behind.
func Start(ctx context.Context, o Options) (*Mesh, error) {
	m := &Mesh{
		services: make(map[key]*chain.Service),
		client: &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: 64,
			DisableCompression:  true,
		}},
	}
	if err := m.start(ctx, o); err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

func (m *Mesh) start(ctx context.Context, o Options) error {
	ports := map[int]int{adminPort: 0, ingressPort: 0, meshPort: 0}
	for _, w := range workloads {
		s, err := chain.Start(w.app, w.version, w.next)
		if err != nil {
			return err
		}
		m.services[key{w.app, w.lane}] = s
		ports[w.port] = s.Port()
	}
	config, err := configure(o, ports)
	if err != nil {
		return err
	}
	m.Envoy, err = envoy.Start(ctx, envoy.Options{
		Binary:      o.Binary,
		Config:      config,
		Concurrency: o.Concurrency,
		Log:         o.Log,
	})
	if err != nil {
		return err
	}
	for _, s := range m.services {
		s.SetMesh(m.Envoy.Listeners["mesh"])
	}
	return nil
}

// configure puts ports and tagproc's address into the configuration.
func configure(o Options, ports map[int]int) ([]byte, error) {
	edit := func(config string) string {
		if o.Edit != nil {
			config = o.Edit(config)
		}
		return config
	}
	ports = maps.Clone(ports)
	switch addr := o.Tagproc.(type) {
	case *net.TCPAddr:
		if !addr.IP.Equal(net.IPv4(127, 0, 0, 1)) {
			return nil, fmt.Errorf("tagproc listens on %v; Envoy looks for it on 127.0.0.1", addr)
		}
		ports[tagprocPort] = addr.Port
		return envoy.Template(edit(Config), ports, nil)
	case *net.UnixAddr:
		return envoy.Template(edit(ConfigUnix), ports, map[string]string{tagprocSocket: addr.Name})
	default:
		return nil, fmt.Errorf("tagproc's address is a %T; want a *net.TCPAddr or a *net.UnixAddr", o.Tagproc)
	}
}

// Ingress is the host:port at which clients reach the mesh.
func (m *Mesh) Ingress() string { return m.Envoy.Listeners["ingress"] }

// Get sends a request for the chain that begins with app, with these headers, and
// returns the hops that it reached. An answer other than 200 is a
// *chain.StatusError. It is patient: see Patiently.
func (m *Mesh) Get(ctx context.Context, app string, header http.Header) (trace chain.Trace, err error) {
	err = m.Patiently(ctx, func() error {
		trace, err = m.get(ctx, m.Ingress(), app, header)
		return err
	})
	return trace, err
}

// patience is how often Patiently asks.
const patience = 20

// Patiently calls ask, and calls it again if Envoy meanwhile gave up waiting for
// tagproc: on a busy machine the shipped 200 ms pass and a request goes on untagged,
// which is right but not what the test asks about.
func (m *Mesh) Patiently(ctx context.Context, ask func() error) error {
	for range patience {
		before, err := m.timeouts(ctx)
		if err != nil {
			return err
		}
		asked := ask()
		after, err := m.timeouts(ctx)
		if err != nil {
			return err
		}
		if after == before {
			return asked
		}
	}
	return fmt.Errorf("asked %d times, and each time Envoy gave up waiting for tagproc", patience)
}

// timeouts returns how often Envoy gave up waiting for tagproc.
func (m *Mesh) timeouts(ctx context.Context) (uint64, error) {
	return m.Envoy.Stat(ctx, "http.ingress.ext_proc.tagproc.message_timeouts")
}

func (m *Mesh) get(ctx context.Context, addr, app string, header http.Header) (chain.Trace, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
	if err != nil {
		return nil, err
	}
	request.Host = app
	if header != nil {
		request.Header = header.Clone()
	}
	return chain.Do(m.client, request)
}

// Promote makes the baseline of an application run a version. No other part of
// the mesh changes.
func (m *Mesh) Promote(app, version string) error {
	s := m.services[key{app, Baseline}]
	if s == nil {
		return fmt.Errorf("couldn't promote %s: the mesh has no such application", app)
	}
	s.SetVersion(version)
	return nil
}

// Reset makes every application run the version that it started with.
func (m *Mesh) Reset() {
	for _, w := range workloads {
		m.services[key{w.app, w.lane}].SetVersion(w.version)
	}
}

// Stop ends Envoy and then the applications.
func (m *Mesh) Stop() error {
	m.client.CloseIdleConnections()
	var errs []error
	if m.Envoy != nil {
		errs = append(errs, m.Envoy.Stop())
	}
	for _, s := range m.services {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
