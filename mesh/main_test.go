package mesh

import (
	"os"
	"testing"

	"istio.io/istio/pkg/log"
)

func TestMain(m *testing.M) {
	for _, s := range log.Scopes() { // of Istio; what it logs is of no concern here
		s.SetOutputLevel(log.NoneLevel)
	}
	os.Exit(m.Run())
}
