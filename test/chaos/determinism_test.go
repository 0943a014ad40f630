package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/tagproc/tagproc/internal/hostile"
	"github.com/tagproc/tagproc/rules"
)

// determinism asks for the buckets of many ids, in each of these circumstances.
var determinism = row{name: "the same buckets", full: 1_000_000, short: 20_000, unit: "ids", run: sameBuckets}

// hashes are the hashes of the language and what their rules say of them.
var hashes = []struct{ name, rule string }{
	{"fnv1a32", "hash: fnv1a32"},
	{"xxh3", "hash: xxh3"},
	{"xxh3 with a salt", "hash: xxh3, salt: spring-launch"},
}

// golden are the digests of the buckets of the first ids, by how many and by hash.
// They are fixed for ever: another digest means that users moved.
var golden = map[int][]string{
	20_000:    {"6ee3ff0b95be98c1", "ac4f8957e903623e", "7935111ac63afea1"},
	1_000_000: {"8c94287d93732e45", "34ec253cd255b44d", "d02c5ed9036069bd"},
}

const (
	asked          = 64 // ids at a time
	reloadInterval = 100 * time.Millisecond
)

func idOf(i int) string { return fmt.Sprintf("id-%d", i) }

func bucketHeader(hash int) string { return fmt.Sprintf("appver-%d", hash) }

// bucketRules returns rules whose tags are the buckets, by each hash. Versions differ
// only in what has no effect on decisions.
func bucketRules(version int) []byte {
	var b strings.Builder
	b.WriteString("rules:\n")
	for hash := range hashes {
		fmt.Fprintf(&b, "- {header: x-user-id, tagHeader: %s, %s, policies: [", bucketHeader(hash), hashes[hash].rule)
		for bucket := range 100 {
			fmt.Fprintf(&b, "{range: %d, tagValue: %q}, ", bucket+1, strconv.Itoa(bucket))
		}
		b.WriteString("]}\n")
	}
	fmt.Fprintf(&b, "- {header: x-user-id, tagHeader: appver-version, mode: off, policies: [{range: 100, tagValue: v%d}]}\n", version)
	return []byte(b.String())
}

// sameBuckets asks for n ids over TCP, over a Unix socket while the rules are
// reloaded again and again, and after a restart, many at a time. Each time the
// buckets must be those that package rules says.
func sameBuckets(t *testing.T, b *bed, f *findings, n int) {
	t.Helper()
	file, socket := b.rulesFile(t), b.socket(t)
	replaceFile(t, file, bucketRules(0))
	c := command{rulesFile: file, listen: []string{"127.0.0.1:0", "unix://" + socket}}
	want := bucketsByRules(t, n)

	p := b.start(t, c)
	f.exactly("wrong over TCP", differences(bucketsByWire(t, connect(t, p.address(t)), n), want), 0)
	got := reloading(t, p, func() [][]byte { return bucketsByWire(t, connect(t, "unix://"+socket), n) })
	f.exactly("wrong over a Unix socket", differences(got, want), 0)
	f.atLeast("loads meanwhile", int(p.metric(t, `tagproc_config_loads_total\{result="success"\}`)), 2)
	p.terminate(t)
	p = b.start(t, c)
	f.exactly("wrong after a restart", differences(bucketsByWire(t, connect(t, p.address(t)), n), want), 0)

	for hash, buckets := range got {
		sum := sha256.Sum256(buckets)
		digest := hex.EncodeToString(sum[:8])
		if known, ok := golden[n]; ok {
			f.check(hashes[hash].name, digest == known[hash], digest, known[hash])
		} else {
			f.note(hashes[hash].name, digest)
		}
	}
}

// reloading makes p load rules again and again while do runs, and returns the result
// of do.
func reloading(t *testing.T, p *tagproc, do func() [][]byte) (buckets [][]byte) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		buckets = do()
	}()
	for version := 1; ctx.Err() == nil; version++ {
		replaceFile(t, p.command.rulesFile, bucketRules(version))
		hostile.Rest(ctx, reloadInterval)
	}
	return buckets
}

// bucketsByRules returns the buckets of the first n ids, by hash.
func bucketsByRules(t *testing.T, n int) [][]byte {
	t.Helper()
	table, problems := rules.Load("rules.yaml", bucketRules(0), rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	buckets := noBuckets(n)
	r := table.NewRequest()
	for i := range n {
		r.Reset()
		r.SetKey(0, []byte(idOf(i)))
		for hash, d := range table.Match(r)[:len(hashes)] {
			buckets[hash][i] = byte(d.Bucket)
		}
	}
	return buckets
}

// bucketsByWire asks tagproc for the same.
func bucketsByWire(t *testing.T, conn *grpc.ClientConn, n int) [][]byte {
	t.Helper()
	buckets := noBuckets(n)
	var next, failures atomic.Int64
	var group sync.WaitGroup
	for range asked {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				tags, err := ask(t.Context(), conn, idOf(i))
				if err != nil {
					if failures.Add(1) == 1 {
						t.Errorf("asking for %s: %v", idOf(i), err)
					}
					return
				}
				for hash := range hashes {
					if bucket, err := strconv.Atoi(tags[bucketHeader(hash)]); err == nil {
						buckets[hash][i] = byte(bucket)
					}
				}
			}
		})
	}
	group.Wait()
	return buckets
}

// noBuckets returns room for the buckets of n ids, by hash, filled with an impossible
// one.
func noBuckets(n int) [][]byte {
	var buckets [][]byte
	for range hashes {
		buckets = append(buckets, slices.Repeat([]byte{255}, n))
	}
	return buckets
}

// differences counts the buckets that are not the same.
func differences(got, want [][]byte) int {
	count := 0
	for hash := range want {
		for i := range want[hash] {
			if got[hash][i] != want[hash][i] {
				count++
			}
		}
	}
	return count
}
