package patience

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Limit is how long a call may take. A volume that answers takes milliseconds.
const Limit = 3 * time.Second

const (
	// longestPause is the longest time between a call that was given up and the next.
	longestPause = time.Minute

	// mostHanging is how many calls may hang at a time: each holds a thread.
	mostHanging = 64
)

// ErrHangs says that a call has not returned within Limit, or that earlier ones
// hang and the next is not due.
var ErrHangs = errors.New("hangs")

// Calls are calls of one kind, such as the reads of one file. The zero value is
// ready to use.
type Calls[T any] struct {
	// Late takes the result of a call that was given up and has returned after all.
	// It may be nil.
	Late func(T)

	mu      sync.Mutex
	hanging int       // calls that were given up and have not returned
	next    time.Time // when the next call is due
}

// Call returns what f returns. It gives up after Limit with ErrHangs, or with the
// cause of ctx when that ends; f goes on by itself.
//
// While earlier calls hang, the time between two calls doubles, up to a minute;
// in between and once 64 calls hang, Call returns ErrHangs at once and does not
// call f. The first of them to return makes the next call due.
func (c *Calls[T]) Call(ctx context.Context, f func() T) (T, error) {
	var none T
	if !c.due() {
		return none, ErrHangs
	}
	call := make(chan T)
	gone := make(chan struct{})
	go func() {
		result := f()
		select {
		case call <- result:
		case <-gone:
			c.returned(result)
		}
	}()
	timer := time.NewTimer(Limit)
	defer timer.Stop()
	var err error
	select {
	case result := <-call:
		return result, nil
	case <-timer.C:
		err = ErrHangs
	case <-ctx.Done():
		err = fmt.Errorf("given up: %w", context.Cause(ctx))
	}
	c.givenUp()
	close(gone)
	return none, err
}

// Retry makes the next call due now.
func (c *Calls[T]) Retry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = time.Time{}
}

func (c *Calls[T]) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hanging < mostHanging && !time.Now().Before(c.next)
}

func (c *Calls[T]) givenUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hanging++
	c.next = time.Now().Add(min(time.Second<<min(c.hanging-1, 10), longestPause))
}

func (c *Calls[T]) returned(late T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hanging--
	c.next = time.Time{}
	if c.Late != nil {
		c.Late(late)
	}
}
