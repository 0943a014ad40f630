package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/rules"
)

// generation returns rules that give every user the tags gN in two headers.
func generation(n int) []byte {
	return fmt.Appendf(nil, `tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
rules:
- {header: x-user-id, tagHeader: appver-a, policies: [{range: 100, tagValue: g%d}]}
- {header: x-user-id, tagHeader: appver-b, policies: [{range: 100, tagValue: g%d}]}
`, n, n)
}

// generationOf returns the generation of a tag's values, or -1 if there is not
// exactly one.
func generationOf(values []string) int64 {
	if len(values) != 1 {
		return -1
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(values[0], "g"), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// configMap makes dir look like a mounted ConfigMap with a file rules.yaml, or
// swaps its content as the kubelet does.
func configMap(t *testing.T, dir string, n int) {
	t.Helper()
	data := fmt.Sprintf("..generation_%d", n)
	if err := os.Mkdir(filepath.Join(dir, data), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, data, "rules.yaml"), generation(n))
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(data, "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		link(filepath.Join("..data", "rules.yaml"), "rules.yaml")
	}
}

// TestReload edits the rules in each of the three ways under steady requests: no
// request fails, none goes untagged, no answer mixes two generations, and once a
// generation is live nothing older is answered.
func TestReload(t *testing.T) {
	envoytest.Each(t, testReload) // one after the other: the requests take all the CPU
}

func testReload(t *testing.T, envoy string) {
	t.Helper()
	const generations = 8
	socket := filepath.Join(t.TempDir(), "tagproc.sock")
	m := startMesh(t, envoy, socket)
	for _, way := range []struct {
		name string
		put  func(t *testing.T, dir string, n int)
	}{
		{"written in place", func(t *testing.T, dir string, n int) {
			t.Helper()
			writeFile(t, filepath.Join(dir, "rules.yaml"), generation(n))
		}},
		{"renamed over", func(t *testing.T, dir string, n int) {
			t.Helper()
			writeFile(t, filepath.Join(dir, "new"), generation(n))
			if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "rules.yaml")); err != nil {
				t.Fatal(err)
			}
		}},
		{"swapped as a ConfigMap", configMap},
	} {
		t.Run(way.name, func(t *testing.T) {
			dir := t.TempDir()
			way.put(t, dir, 0)
			p := start(t, socket, filepath.Join(dir, "rules.yaml"))

			var live atomic.Int64 // no older generation may be answered any more
			var answers atomic.Int64
			done := make(chan struct{})
			var workers sync.WaitGroup
			for range 4 {
				workers.Go(func() {
					for {
						select {
						case <-done:
							return
						default:
						}
						oldest := live.Load()
						trace, err := m.Get(t.Context(), "app-a", http.Header{"X-User-Id": {"0001"}})
						if err != nil {
							t.Errorf("a request failed: %v", err)
							return
						}
						a, b := trace[0].Tags["appver-a"], trace[0].Tags["appver-b"]
						if !slices.Equal(a, b) || generationOf(a) < oldest {
							t.Errorf("answered with the tags %v and %v, want the same generation in both, g%d or later", a, b, oldest)
							return
						}
						answers.Add(1)
					}
				})
			}
			defer workers.Wait()
			defer close(done)
			for n := 1; n <= generations; n++ {
				way.put(t, dir, n)
				p.awaitRules(t, generation(n), rules.Options{})
				live.Store(int64(n))
				until := answers.Load() + 8
				eventually(t, "answers of the new generation", func() bool { return t.Failed() || answers.Load() >= until })
			}
			if failed := p.metric(t, `tagproc_config_loads_total\{result="failure"\}`); failed != 0 {
				t.Errorf("%v loads failed, want none: every content was good", failed)
			}
		})
	}
}
