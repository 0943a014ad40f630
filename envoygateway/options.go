package envoygateway

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
	"github.com/tagproc/tagproc/rules"
)

// Options are the settings of a gateway's operator, in the form of flags.
type Options struct {
	Name    string // of the resources
	Gateway string // NAMESPACE/NAME of the Gateway
	Service string // of tagproc: SERVICE.NAMESPACE:PORT, or unix:///PATH
	CA      string // ConfigMap with the authority of tagproc's certificate, beside the Service; "": no TLS
	TLSName string // in tagproc's certificate; "": SERVICE.NAMESPACE.svc
	// FailClosed has requests that tagproc does not answer refused. Otherwise they pass
	// untagged.
	FailClosed bool
	// StripClientBaggage removes the header baggage of clients, as a whole.
	StripClientBaggage bool
	Timeout            time.Duration // how long a request waits for tagproc, from 1 ms to 1 minute
}

// Check returns an error for each option that cannot be used, which begins with the
// option's name as a flag.
func (o *Options) Check() error {
	_, err := o.settings()
	return err
}

// settings are parsed options.
type settings struct {
	*Options
	namespace, gateway string // of the Gateway
	address            envoyfilter.Address
}

func (o *Options) settings() (*settings, error) {
	s := &settings{Options: o}
	errs := []error{envoyfilter.CheckName("--name", o.Name)}
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	s.namespace, s.gateway, _ = strings.Cut(o.Gateway, "/")
	require(manifest.IsDNSLabel(s.namespace) && manifest.IsName(s.gateway),
		"--gateway %q: expected NAMESPACE/NAME of a Gateway (kubectl get gateways -A)", o.Gateway)
	require(o.Timeout >= time.Millisecond && o.Timeout <= time.Minute, "--timeout %v: expected 1ms to 1m", o.Timeout)
	var err error
	if s.address, err = envoyfilter.ParseAddress(o.Service); err != nil {
		errs = append(errs, fmt.Errorf("--service %w", err))
	}
	require(o.CA == "" || manifest.IsName(o.CA), "--tls-ca %q: expected the name of a ConfigMap beside the Service, with ca.crt", o.CA)
	require(o.CA == "" || s.address.Socket == "", "--tls-ca: expected a Service at --service: TLS is for TCP")
	require(o.TLSName == "" || o.CA != "", "--tls-name: expected --tls-ca beside it, the authority of tagproc's certificate")
	require(o.TLSName == "" || manifest.IsName(o.TLSName), "--tls-name %q: expected a name of DNS", o.TLSName)
	return s, errors.Join(errs...)
}

// mostRemovals and longestMatch are limits of Envoy Gateway, of the headers that are
// removed and of the bytes that match one.
const (
	mostRemovals = 64
	longestMatch = 1024
)

// checkRules returns an error about what the rules need and Envoy Gateway does not have.
func checkRules(t *rules.Table, removals []match) error {
	var errs []error
	if owned := t.Owned(); owned.IsZero() {
		errs = append(errs, errors.New("the rules have no tag header: add a rule, or declare tagHeaders, which say what tagproc may write"))
	}
	if n := len(t.Visitors()); n > 1 {
		errs = append(errs, fmt.Errorf("the rules give visitors %d cookies, and Envoy Gateway adds one set-cookie at most: give all visitor keys one cookie", n))
	}
	if len(removals) > mostRemovals {
		errs = append(errs, fmt.Errorf("%d kinds of headers of clients have to be removed, and Envoy Gateway removes %d at most: declare fewer tagHeaders, with prefixes", len(removals), mostRemovals))
	}
	for _, m := range removals {
		if len(m.Value) > longestMatch {
			errs = append(errs, fmt.Errorf("the tag header that %.60s… matches is too long: Envoy Gateway takes %d bytes: name it shorter", m.Value, longestMatch))
		}
	}
	return errors.Join(errs...)
}
