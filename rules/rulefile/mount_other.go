//go:build !linux

package rulefile

import "os"

// mountOf returns ordinary: it knows no mounts on this system.
func mountOf(*os.File, string) mount { return ordinary }
