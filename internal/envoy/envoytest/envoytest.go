// Package envoytest runs tests on every release of Envoy that tagproc has to work
// with, and reads configurations by Envoy's types. It knows which releases these are and where
// they lie, and nothing of what is tested.
package envoytest

import (
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
)

// Each runs a test on each of envoy.Versions, as a subtest of that name, and hands
// it the path of the binary. A missing release fails its subtest.
func Each(t *testing.T, test func(t *testing.T, binary string)) {
	t.Helper()
	for _, version := range envoy.Versions() {
		t.Run(version, func(t *testing.T) {
			binary, err := envoy.FindVersion(version)
			if err != nil {
				t.Fatal(err)
			}
			test(t, binary)
		})
	}
}
