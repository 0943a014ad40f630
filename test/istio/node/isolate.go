package node

import (
	"os"

	"github.com/tagproc/tagproc/internal/isolate"
)

// Prepare makes an isolated process's machine ready for nodes.
func Prepare() error {
	if err := isolate.Prepare(); err != nil {
		return err
	}
	return os.MkdirAll(namespaces, 0o755)
}
