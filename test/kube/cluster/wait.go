package cluster

import (
	"testing"
	"time"
)

// Eventually waits until condition returns nil, for so long at most.
func Eventually(t testing.TB, limit time.Duration, what string, condition func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err = condition(); err == nil {
			return
		}
	}
	t.Fatalf("waited %v in vain: %s: %v", limit, what, err)
}
