package istio

import (
	"os"
	"testing"

	"github.com/tagproc/tagproc/test/istio/cluster"
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
