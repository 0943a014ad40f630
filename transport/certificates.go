package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// CertificateOptions are the settings of LoadCertificates.
type CertificateOptions struct {
	Interval   time.Duration         // between two looks at the files; 0 means a second
	Registerer prometheus.Registerer // takes the metrics; nil: they are not exported
	Logger     *slog.Logger          // nil: nothing is logged

	readLimit time.Duration // 0 means readLimit
}

// Certificates are what a server shows its clients, and by what it knows them,
// kept current.
type Certificates struct {
	files   CertificateFiles
	options CertificateOptions

	config atomic.Pointer[tls.Config] // of the newest good files

	read    func(path string) ([]byte, error) // readPEM, but in tests
	reading atomic.Pointer[string]            // the file under way

	// For consider alone: what the last report was about, a failure that is reported
	// if the next look finds it too, and what is in use.
	reported, suspected version
	used                certificateState

	successful prometheus.Gauge
	expiry     prometheus.Gauge
}

// LoadCertificates reads the files, which have to be good. Its errors say what to
// do. It panics if o.Registerer has metrics of certificates already.
func LoadCertificates(files CertificateFiles, o CertificateOptions) (*Certificates, error) {
	o.Interval = cmp.Or(o.Interval, time.Second)
	o.readLimit = cmp.Or(o.readLimit, readLimit)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	c := &Certificates{
		files: files, options: o, read: readPEM,
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_tls_last_reload_successful",
			Help: "1 if the files of TLS, as they are now, are in use; 0 if they were refused and older ones are in use.",
		}),
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tagproc_tls_certificate_expiry_timestamp_seconds",
			Help: "Unix time at which the server's certificate in use expires.",
		}),
	}
	state := c.look()
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

// readLimit is how long a look at the files may take before it is reported. A file
// of a network that is gone may take for ever.
const readLimit = 10 * time.Second

// Run keeps the certificates current until ctx ends. Files that cannot be used, or
// take for ever to read, change nothing but what the log and the metrics say. A read
// that takes for ever is left behind when ctx ends.
func (c *Certificates) Run(ctx context.Context) {
	ticker := time.NewTicker(c.options.Interval)
	defer ticker.Stop()
	states := make(chan certificateState, 1)
	looking, late := false, time.NewTimer(c.options.readLimit)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case state := <-states:
			looking = false
			c.consider(state)
		case <-late.C:
			if looking {
				c.hangs()
			}
		case <-ticker.C:
			if !looking {
				looking = true
				late.Reset(c.options.readLimit)
				go func() { states <- c.look() }()
			}
		}
	}
}

// look reads the files once.
func (c *Certificates) look() certificateState {
	return c.files.look(func(path string) ([]byte, error) {
		c.reading.Store(&path)
		return c.read(path)
	})
}

// hangs reports a look that takes for ever.
func (c *Certificates) hangs() {
	c.reported = version{} // the next state that is seen is news
	c.successful.Set(0)
	c.options.Logger.Error("a file of TLS cannot be read: the read does not end; the last good ones stay in use",
		"file", *c.reading.Load(), "waited", c.options.readLimit)
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
