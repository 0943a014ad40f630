//go:build !tagproc_faults

package processor

import "log/slog"

// A fault is what goes wrong on purpose in a build with the tag tagproc_faults.
// In this build it is nothing.
type fault struct{}

func faultOfEnvironment(*slog.Logger) fault { return fault{} }

func (fault) strike() {}
