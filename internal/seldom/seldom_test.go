package seldom

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tagproc/tagproc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestSecond checks that one of many calls is the first of each second.
func TestSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Second
		for second := range 3 {
			var first atomic.Int32
			var calls sync.WaitGroup
			for range 100 {
				calls.Go(func() {
					if s.First() {
						first.Add(1)
					}
				})
			}
			calls.Wait()
			if n := first.Load(); n != 1 {
				t.Errorf("in second %d, %d of 100 calls are the first, want 1", second, n)
			}
			time.Sleep(time.Second)
		}
	})
}
