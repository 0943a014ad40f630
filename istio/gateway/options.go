package gateway

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tagproc/tagproc/contract"
	"github.com/tagproc/tagproc/istio/envoyfilter"
)

// Options are the settings of a gateway's operator, in the form of flags.
type Options struct {
	Behaviour

	Name      string   // of the EnvoyFilter
	Namespace string   // of the EnvoyFilter and of the gateway's pods
	Gateway   []string // labels that the gateway's pods have, all of them; each KEY=VALUE
	Target    string   // instead of Gateway: gateway/NAME or waypoint/NAME, a Gateway of the Gateway API
	Address   string   // of tagproc: unix:///PATH, or SERVICE.NAMESPACE:PORT
	Phase     Phase
}

// Behaviour is what Envoy does beside asking tagproc, in the form of flags.
type Behaviour struct {
	DataPath DataPath
	// FailClosed makes Envoy answer 500 or 504 to requests that tagproc does not answer.
	// Otherwise they pass untagged.
	FailClosed bool
	// StripClientBaggage removes the header baggage of clients, as a whole.
	StripClientBaggage bool
	// Timeout is how long a request waits for tagproc, from 1 ms to 1 minute.
	Timeout time.Duration
}

// check returns an error for each setting that cannot be used.
func (b *Behaviour) check() error {
	var errs []error
	if b.Timeout < time.Millisecond || b.Timeout > time.Minute {
		errs = append(errs, fmt.Errorf("--timeout %v: expected 1ms to 1m", b.Timeout))
	}
	if !slices.Contains(DataPaths(), b.DataPath) {
		errs = append(errs, fmt.Errorf("--data-path %q: expected %s or %s", b.DataPath, ExtProc, Lua))
	}
	if b.DataPath == Lua && b.FailClosed {
		errs = append(errs, fmt.Errorf("--fail-closed: expected --data-path %s: with %s there is nobody who may not answer", ExtProc, Lua))
	}
	return errors.Join(errs...)
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
	selector map[string]string
	target   target // the zero target: by labels
	address  envoyfilter.Address
}

func (o *Options) settings() (*settings, error) {
	s := &settings{Options: o}
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	errs = append(errs, envoyfilter.CheckName("--name", o.Name), envoyfilter.CheckNamespace("--namespace", o.Namespace))
	switch {
	case o.Target != "":
		var err error
		s.target, err = parseTarget(o.Target)
		errs = append(errs, err)
		require(len(o.Gateway) == 0, "--gateway: expected no label beside --target, which names the Gateway itself")
	default:
		require(len(o.Gateway) > 0, "--gateway: expected a label; an EnvoyFilter without one is for every workload of the namespace")
		selector, wrong := envoyfilter.ParseLabels("--gateway", "the gateway's pods", o.Gateway)
		s.selector, errs = selector, append(errs, wrong...)
	}
	require(slices.Contains(Phases(), o.Phase), "--phase %q: expected %s or %s", o.Phase, PhaseRouter, PhaseAuthn)
	errs = append(errs, o.check())
	var err error
	if s.address, err = envoyfilter.ParseAddress(o.Address); err != nil {
		errs = append(errs, fmt.Errorf("--address %w", err))
	}
	return s, errors.Join(errs...)
}

// call returns how the gateway asks tagproc: through a cluster that is added for a
// socket, or through the one that Istio has for a port of a Service.
func (s *settings) call() call {
	if s.address.Socket != "" {
		return call{Behaviour: s.Behaviour, cluster: contract.GatewayFilter}
	}
	return call{Behaviour: s.Behaviour, cluster: s.address.ServiceCluster(), authority: s.address.Service, several: true}
}

// A Phase is a place among the filters of the gateway.
type Phase string

// The phases.
const (
	// PhaseRouter is before the router, after authentication and authorization: a key may
	// come from a verified token, and Envoy does not ask about refused requests.
	PhaseRouter Phase = "router"
	// PhaseAuthn is before everything that authenticates, as a WasmPlugin of the
	// phase AUTHN is: keys are what the client sent.
	PhaseAuthn Phase = "authn"
)

// Phases returns all phases.
func Phases() []Phase { return []Phase{PhaseRouter, PhaseAuthn} }
