package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// asFlag says which kind of object carries a Lua filter to the Envoys.
type asFlag struct{ kind string }

const (
	asEnvoyFilter      = "envoyfilter"
	asTrafficExtension = "trafficextension"
)

func (a *asFlag) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.kind, "as", asEnvoyFilter, "what to print: `envoyfilter|trafficextension`, the latter of Istio 1.30 and newer, with --data-path lua")
	completeWith(cmd, "as", asEnvoyFilter, asTrafficExtension)
}

func (a *asFlag) extension() bool { return a.kind == asTrafficExtension }

func (a *asFlag) check() error {
	if a.kind != asEnvoyFilter && a.kind != asTrafficExtension {
		return fmt.Errorf("--as %q: expected %s or %s", a.kind, asEnvoyFilter, asTrafficExtension)
	}
	return nil
}
