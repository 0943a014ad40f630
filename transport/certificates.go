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
	Wake       <-chan struct{}       // makes Run look at the files at once; nil: only Interval does
	Registerer prometheus.Registerer // takes the metrics; nil: they are not exported
	Logger     *slog.Logger          // nil: nothing is logged
}

// Certificates are the certificate that a server shows its clients and the authorities
// by which it verifies them. They follow their files.
type Certificates struct {
	files   CertificateFiles
	options CertificateOptions

	config atomic.Pointer[tls.Config] // of the newest good files

	looks   patience.Calls[certificateState]
	reading atomic.Pointer[string] // the file that is being read

	// For consider alone: the version last reported, a failure that is reported if the
	// next look finds it too, and the state in use.
	reported, suspected version
	used                certificateState

	successful prometheus.Gauge
	expiry     prometheus.Gauge
}

// LoadCertificates reads the files, and returns an error that says what to do if one is
// bad. It gives up a read that hangs after [patience.Limit], or when ctx ends. It panics
// if o.Registerer already has metrics of certificates.
func LoadCertificates(ctx context.Context, files CertificateFiles, o CertificateOptions) (*Certificates, error) {
	o.Interval = cmp.Or(o.Interval, time.Second)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	c := &Certificates{
		files: files, options: o,
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_tls_last_reload_successful",
			Help: "1 if the current TLS files are in use; 0 if they are refused and older ones are in use.",
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

// Config returns the configuration of a listener. A new connection gets the current
// certificates; open ones keep theirs.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return c.config.Load(), nil
		},
	}
}

// Run follows the files until ctx ends. Files that cannot be used, or whose reads hang,
// change only what the log and the metrics say.
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
		return failedState(fmt.Errorf("%s cannot be read: no answer for %v; the read is given up: check the volume that holds it (NFS, FUSE)",
			*c.reading.Load(), patience.Limit))
	case err != nil:
		return failedState(err)
	}
	return state
}

// consider puts what a look found into use, or reports why it cannot.
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
	c.options.Logger.Error("the TLS files are refused; the last good ones stay in use", "error", err)
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
		level, message = slog.LevelWarn, "the certificate in use has expired, and clients refuse it: replace it"
	case now.Before(leaf.NotBefore):
		level, message = slog.LevelWarn, "the certificate in use is not valid yet, and clients refuse it until then: check the clock"
	}
	authorities, _ := authoritiesOf(state.clientCA) // none: clients need no certificate
	c.options.Logger.Log(context.Background(), level, message,
		"file", c.files.Certificate, "begins", leaf.NotBefore, "expires", leaf.NotAfter,
		"client_ca", cmp.Or(c.files.ClientCA, "none"), "authorities", len(authorities),
		"changed", strings.Join(state.changes(c.used), " "))
	c.used = state
}
