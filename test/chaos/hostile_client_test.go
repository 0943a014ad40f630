package chaos

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	extproc "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tagproc/tagproc/internal/hostile"
	"github.com/tagproc/tagproc/rules"
)

// connect returns a client of tagproc, by gRPC's own names of addresses, for as
// long as the test runs.
func connect(t *testing.T, target string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// ask asks for one user as Envoy does for one request, and returns the headers
// that are to be set.
func ask(ctx context.Context, conn *grpc.ClientConn, id string) (map[string]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := extproc.NewExternalProcessorClient(conn).Process(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(hostile.UserRequest(id)); err != nil {
		return nil, err
	}
	response, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	tags := make(map[string]string)
	for _, h := range response.GetRequestHeaders().GetResponse().GetHeaderMutation().GetSetHeaders() {
		tags[h.GetHeader().GetKey()] = string(h.GetHeader().GetRawValue())
	}
	return tags, nil
}

// tagsBy returns what ask must return for user id, by the rules themselves.
func tagsBy(table *rules.Table, r *rules.Request, id string) map[string]string {
	r.Reset()
	r.SetKey(0, []byte(id))
	tags := make(map[string]string)
	for _, d := range table.Match(r) {
		if d.Writes() {
			tag := table.Tags()[d.Tag]
			tags[tag.Header] = tag.Value
		}
	}
	return tags
}

const (
	neighbourRate  = 100 // requests per second
	neighbourUsers = 100
)

// A neighbour is a client that behaves well, beside others that do not.
type neighbour struct {
	conn *grpc.ClientConn
	want []map[string]string // by user

	mu       sync.Mutex
	took     []time.Duration
	failures []error
}

// newNeighbour connects to tagproc, which serves the rules of src.
func newNeighbour(t *testing.T, address string, src []byte) *neighbour {
	t.Helper()
	table, problems := rules.Load("rules.yaml", src, rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	n := &neighbour{conn: connect(t, address)}
	r := table.NewRequest()
	for i := range neighbourUsers {
		n.want = append(n.want, tagsBy(table, r, neighbourUser(i)))
	}
	if _, err := ask(t.Context(), n.conn, neighbourUser(0)); err != nil { // connects
		t.Fatal(err)
	}
	return n
}

func neighbourUser(i int) string { return fmt.Sprintf("neighbour-%d", i) }

// during sends requests at its rate while attack runs, and returns with it.
func (n *neighbour) during(ctx context.Context, attack func()) {
	var group sync.WaitGroup
	done := make(chan struct{})
	group.Go(func() {
		tick := time.NewTicker(time.Second / neighbourRate)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			start := time.Now()
			group.Go(func() { n.request(ctx, i%neighbourUsers, start) })
		}
	})
	defer group.Wait()
	defer close(done)
	attack()
}

// request sends one request and checks its answer.
func (n *neighbour) request(ctx context.Context, user int, start time.Time) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, err := ask(ctx, n.conn, neighbourUser(user))
	took := time.Since(start)
	if want := n.want[user]; err == nil && fmt.Sprint(got) != fmt.Sprint(want) {
		err = fmt.Errorf("%s got the tags %v, want %v", neighbourUser(user), got, want)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.took = append(n.took, took)
	if err != nil {
		n.failures = append(n.failures, err)
	}
}

// report says in f how the neighbour fared.
func (n *neighbour) report(t *testing.T, f *findings) {
	t.Helper()
	f.atLeast("others' requests", len(n.took), 1)
	f.exactly("others' failures", len(n.failures), 0)
	for _, err := range n.failures[:min(5, len(n.failures))] {
		t.Logf("a client that behaved well: %v", err)
	}
	f.within("others' p99", n.p99(), 50*time.Millisecond)
}

// p99 is the time that only one in a hundred answers took longer than.
func (n *neighbour) p99() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.took) == 0 {
		return 0
	}
	slices.Sort(n.took)
	return n.took[len(n.took)*99/100]
}
