package differential

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/rules"
)

// requests returns how many generated requests a mode is sent. The shipped mode gets
// the rest of an Envoy's total.
func requests(version, mode string) int {
	all, each := 400, 40
	if *full {
		all, each = 10_000, 1000
	}
	if mode == shipped {
		return all - each*(len(modesOf(version))-1)
	}
	return each
}

const workers = 4

// enough is after how many differences a mode is given up.
const enough = 3

// TestDifferential sends what was kept of earlier runs, then requests at the limits,
// then generated ones.
func TestDifferential(t *testing.T) {
	table, err := loadRules()
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range envoy.Versions() {
		t.Run(version, func(t *testing.T) {
			s := newStage(t, version, startTagproc(t), nil)
			for _, mode := range modesOf(version) {
				t.Run(mode, func(t *testing.T) {
					c := &campaign{t: t, stage: s, version: version, mode: mode, table: table}
					c.kept()
					c.limits()
					c.generated(requests(version, mode))
					t.Log(c.summary())
				})
			}
		})
	}
}

// A campaign is the requests of one test, and what came of them.
type campaign struct {
	t       *testing.T
	stage   *stage
	version string
	mode    string
	table   *rules.Table

	mu       sync.Mutex
	verdicts [different + 1]int
	again    int
}

// kept sends the requests in testdata.
func (c *campaign) kept() {
	c.t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil {
		c.t.Fatal(err)
	}
	p := c.stage.newPair(c.mode, c.table, c.mode+"-k")
	defer p.close()
	for _, path := range paths {
		r, err := readRequest(path)
		if err != nil {
			c.t.Fatal(err)
		}
		result, why, err := p.ask(c.t.Context(), r)
		if err != nil {
			c.t.Fatal(err)
		}
		if c.count(result); result == different {
			c.t.Errorf("%s: %s", path, why)
		}
	}
	c.again += p.again
}

// generated sends n generated requests.
func (c *campaign) generated(n int) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	var next atomic.Uint64
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			p := c.stage.newPair(c.mode, c.table, fmt.Sprintf("%s-%d", c.mode, w))
			defer p.close()
			for ctx.Err() == nil {
				index := next.Add(1) - 1
				if index >= uint64(n) {
					break
				}
				r := generate(*seed, index)
				result, why, err := p.ask(ctx, r)
				if err != nil {
					if ctx.Err() == nil {
						c.t.Errorf("seed %d, request %d: %v", *seed, index, err)
						cancel()
					}
					break
				}
				if n := c.count(result); result == different && n <= enough {
					c.keep(p, r, why, fmt.Sprintf("seed %d, request %d", *seed, index))
				} else if n > enough {
					cancel()
				}
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.again += p.again
		})
	}
	group.Wait()
}

// count notes a verdict and returns how many differences there are.
func (c *campaign) count(v verdict) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verdicts[v]++
	return c.verdicts[different]
}

// keep shrinks a request that makes a difference, and writes it to testdata.
func (c *campaign) keep(p *pair, r *request, why, origin string) {
	small, why := shrink(r, why, func(r *request) (string, bool) {
		result, why, err := p.ask(context.WithoutCancel(c.t.Context()), r)
		return why, err == nil && result == different
	})
	small.Why = fmt.Sprintf("Envoy %s, %s: %s", c.version, c.mode, why)
	sum := sha256.Sum256([]byte(small.String()))
	path := filepath.Join("testdata", hex.EncodeToString(sum[:4])+".json")
	if err := os.WriteFile(path, []byte(small.String()), 0o644); err != nil {
		c.t.Error(err)
	}
	c.t.Errorf("%s: a difference, kept as %s: %s\n%.4000s", origin, path, why, small)
}

func (c *campaign) summary() string {
	total := 0
	for _, n := range c.verdicts {
		total += n
	}
	return fmt.Sprintf("Envoy %s, %s: %d requests: %d identical, %d refused by both, %d refused by the reference only, %d different; %d asked again for their tag",
		c.version, c.mode, total, c.verdicts[identical], c.verdicts[refusedByBoth], c.verdicts[refusedByReference], c.verdicts[different], c.again)
}
