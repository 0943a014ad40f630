package leak

import (
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(Run(m)) }

// TestFind checks that a goroutine which ends late is none that is left.
func TestFind(t *testing.T) { //nolint:paralleltest // it looks at all goroutines
	go time.Sleep(3 * time.Second)
	if err := Find(); err != nil {
		t.Errorf("a goroutine that ends after 3 s: %v", err)
	}
}

// leaving are tests that leave a goroutine behind, until the channel is closed.
type leaving chan struct{}

func (l leaving) Run() int {
	go func() { <-l }()
	return 0
}

// TestLeft checks that tests which leave a goroutine behind fail.
func TestLeft(t *testing.T) { //nolint:paralleltest // it has the limit to itself
	defer func(was time.Duration) { limit = was }(limit)
	limit = time.Second
	stays := make(leaving)
	defer close(stays)
	if code := Run(stays); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}
