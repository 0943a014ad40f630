//go:build unix

package envoy

import (
	"io/fs"
	"os"
	"syscall"
)

// trusted reports whether a file is the user's own or root's. The directories
// above the working directory may be anybody's: what lies in /tmp/.envoy must not
// be run by whoever works below /tmp.
func trusted(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int(stat.Uid) == os.Getuid())
}
