package admin

import (
	"context"
	"sync"
	"time"
)

// The bounds of questions that compile the rules file, which takes seconds where it is large.
const (
	maxWaiting = 4               // questions that wait for the one that is answered
	maxWait    = 3 * time.Second // of each; an answer has to be written within writeTimeout
	retryAfter = "5"             // seconds, for those who are refused
)

// A turn lets one question be answered at a time. Its zero value is ready for use.
type turn struct {
	once    sync.Once
	holder  chan struct{} // full while a question is answered
	waiting chan struct{} // an element for each question that waits
}

// take waits for the turn, and returns what ends it. It is nil where maxWaiting others wait,
// after maxWait, and when ctx is done.
func (t *turn) take(ctx context.Context) (leave func()) {
	t.once.Do(func() { t.holder, t.waiting = make(chan struct{}, 1), make(chan struct{}, maxWaiting) })
	leave = func() { <-t.holder }
	if ctx.Err() != nil {
		return nil
	}
	select {
	case t.holder <- struct{}{}:
		return leave
	default:
	}
	select {
	case t.waiting <- struct{}{}:
		defer func() { <-t.waiting }()
	default:
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	select {
	case t.holder <- struct{}{}:
		return leave
	case <-ctx.Done():
		return nil
	}
}
