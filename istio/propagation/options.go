package propagation

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tagproc/tagproc/istio/envoyfilter"
)

// Options are what an operator says of the sidecars, as flags have it.
type Options struct {
	Name      string   // of the EnvoyFilter; "": see [Propagation] and [Recompute]
	Namespace string   // of the EnvoyFilter and of the pods; "": that of the manifest, or default
	Selector  []string // labels that the pods have, all of them, each KEY=VALUE; none: those of the manifest, or all pods
	DataPath  DataPath
	Address   string // of tagproc, unix:///PATH, at every sidecar; for [ExtProc]
	Inbound   bool   // collect too; for [Propagation]
}

// A DataPath is what moves tags at a sidecar.
type DataPath string

// The data paths.
const (
	// Lua is Envoy's own Lua filter: nothing else runs in the pods, and nothing is
	// mounted.
	Lua DataPath = "lua"
	// ExtProc asks tagproc over a Unix socket, which has to be there in every pod.
	ExtProc DataPath = "ext_proc"
)

// DataPaths returns all data paths.
func DataPaths() []DataPath { return []DataPath{Lua, ExtProc} }

// Check returns an error for each option that cannot be used, which begins with the
// option's name as a flag.
func (o *Options) Check() error {
	_, err := o.settings()
	return err
}

// settings are options as they are used.
type settings struct {
	*Options
	selector map[string]string
	address  envoyfilter.Address
}

func (o *Options) settings() (*settings, error) {
	s := &settings{Options: o}
	var errs []error
	if o.Name != "" {
		errs = append(errs, envoyfilter.CheckName("--name", o.Name))
	}
	if o.Namespace != "" {
		errs = append(errs, envoyfilter.CheckNamespace("--namespace", o.Namespace))
	}
	selector, wrong := envoyfilter.ParseLabels("--selector", "the pods", o.Selector)
	s.selector, errs = selector, append(errs, wrong...)
	if !slices.Contains(DataPaths(), o.DataPath) {
		errs = append(errs, fmt.Errorf("--data-path %q: expected %s or %s", o.DataPath, Lua, ExtProc))
	}
	if o.DataPath == ExtProc {
		var err error
		if s.address, err = envoyfilter.ParseSocket(o.Address); err != nil {
			errs = append(errs, fmt.Errorf("--address %w", err))
		}
	}
	return s, errors.Join(errs...)
}
