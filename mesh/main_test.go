package mesh

import (
	"os"
	"testing"

	"github.com/tagproc/tagproc/mesh/control"
)

func TestMain(m *testing.M) {
	control.Quiet()
	os.Exit(m.Run())
}
