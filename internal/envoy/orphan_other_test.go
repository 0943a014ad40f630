//go:build !linux

package envoy

// Only Linux ends a child with its parent.
const parentEnv = "TAGPROC_TEST_ENVOY_PARENT"

func beParent() int { return 1 }
