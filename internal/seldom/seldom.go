// Package seldom keeps a log readable where every request could write a line.
package seldom

import (
	"sync/atomic"
	"time"
)

// A Second limits a log line to one per second. The zero value is ready to use, by any
// number of goroutines.
type Second struct{ last atomic.Int64 } // when, in Unix seconds

// First reports whether it is called for the first time in this second.
func (s *Second) First() bool {
	now := time.Now().Unix()
	return s.last.Load() != now && s.last.Swap(now) != now
}
