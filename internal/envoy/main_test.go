package envoy

import (
	"os"
	"testing"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) {
	if os.Getenv(parentEnv) != "" {
		os.Exit(beParent())
	}
	leak.Main(m)
}
