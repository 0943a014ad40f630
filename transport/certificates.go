package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tagproc/tagproc/internal/patience"
)

// CertificateOptions are the settings of LoadCertificates.
type CertificateOptions struct {
	Interval   time.Duration         // between two looks at the files; 0 means a second
	Wake       <-chan struct{}       // has Run look at the files at once; nil: only Interval does
	Registerer prometheus.Registerer // takes the metrics; nil: they are not exported
	Logger     *slog.Logger          // nil: nothing is logged
}

// Certificates are what a server shows its clients, and by what it knows them,
// kept current.
type Certificates struct {
	files   CertificateFiles
	options CertificateOptions

	config atomic.Pointer[tls.Config] // of the newest good files

	looks   patience.Calls[certificateState]
	reading atomic.Pointer[string] // the file under way

	// For consider alone: what the last report was about, a failure that is reported
	// if the next look finds it too, and what is in use.
	reported, suspected version
	used                certificateState

	successful prometheus.Gauge
	expiry     prometheus.Gauge
}

// LoadCertificates reads the files, which have to be good. Its errors say what to
// do. A read that hangs is given up after [patience.Limit], or when ctx ends. It
// panics if o.Registerer has metrics of certificates already.
func LoadCertificates(ctx context.Context, files CertificateFiles, o CertificateOptions) (*Certificates, error) {
	o.Interval = cmp.Or(o.Interval, time.Second)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	c := &Certificates{
		files: files, options: o,
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_tls_last_reload_successful",
			Help: "1 if the files of TLS, as they are now, are in use; 0 if they were refused and older ones are in use.",
		}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_tls_certificate_expiry_timestamp_seconds",
			Help: "Unix time at which the server's certificate in use expires.",
		}),
	}
	state := c.look(ctx)
	config, err := state.config()
	if err != nil {
		return nil, err
	}
	c.use(state, config)
	if o.Registerer != nil {
		o.Registerer.MustRegister(c.successful, c.expiry)
	}
	return c, nil
}

// Config returns what a listener needs. Each new connection gets what is current
// then; those that are open stay as they are.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return c.config.Load(), nil
		},
	}
}

// Run keeps the certificates current until ctx ends. Files that cannot be used, or
// whose reads hang, change nothing but what the log and the metrics say.
func (c *Certificates) Run(ctx context.Context) {
	ticker := time.NewTicker(c.options.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-c.options.Wake:
			c.looks.Retry()
		}
		if state := c.look(ctx); ctx.Err() == nil {
			c.consider(state)
		}
	}
}

// look reads the files once. A read that hangs is a failure.
func (c *Certificates) look(ctx context.Context) certificateState {
	state, err := c.looks.Call(ctx, func() certificateState {
		return c.files.look(func(path string) ([]byte, error) {
			c.reading.Store(&path)
			return readPEM(path)
		})
	})
	switch {
	case errors.Is(err, patience.ErrHangs):
		return failedState(fmt.Errorf("%s cannot be read: it has not answered for %v, and the read is given up: check the volume that holds it (NFS, FUSE)",
			*c.reading.Load(), patience.Limit))
	case err != nil:
		return failedState(err)
	}
	return state
}

// consider takes what a look has found.
func (c *Certificates) consider(state certificateState) {
	if state.version == c.reported {
		return
	}
	config, err := state.config()
	if err == nil {
		c.use(state, config)
		return
	}
	// A certificate and its key are often replaced one after the other.
	if state.version != c.suspected {
		c.suspected = state.version
		return
	}
	c.reported = state.version
	c.successful.Set(0)
	c.options.Logger.Error("the files of TLS are refused; the last good ones stay in use", "error", err)
}

func (c *Certificates) use(state certificateState, config *tls.Config) {
	c.reported = state.version
	c.config.Store(config)
	leaf := config.Certificates[0].Leaf
	c.successful.Set(1)
	c.expiry.Set(float64(leaf.NotAfter.Unix()))

	level, message := slog.LevelInfo, "a certificate is in use"
	switch now := time.Now(); {
	case now.After(leaf.NotAfter):
		level, message = slog.LevelWarn, "a certificate is in use that has expired: clients refuse it; replace it"
	case now.Before(leaf.NotBefore):
		level, message = slog.LevelWarn, "a certificate is in use that is not valid yet: clients refuse it until then; is the clock right?"
	}
	authorities, _ := authoritiesOf(state.clientCA) // none: clients need no certificate
	c.options.Logger.Log(context.Background(), level, message,
		"file", c.files.Certificate, "begins", leaf.NotBefore, "expires", leaf.NotAfter,
		"client_ca", cmp.Or(c.files.ClientCA, "none"), "authorities", len(authorities),
		"changed", strings.Join(state.changes(c.used), " "))
	c.used = state
}
