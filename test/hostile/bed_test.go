package hostile

import (
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/machine"
	"github.com/tagproc/tagproc/internal/mesh"
	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/internal/transcript"
)

const limit = 60 * time.Second // of a wait for a condition, and of a request

const theRules = `tagHeaders: {headers: [x-asm-prefer-tag], headerPrefixes: [appver]}
propagation: {headers: [x-asm-prefer-tag], headerPrefixes: [appver-]}
rules:
- {header: x-user-id, tagHeader: x-asm-prefer-tag, policies: [{range: 50, tagValue: s2}, {range: 100, tagValue: s1}]}
`

// A bed is a tagproc, an Envoy that asks it, and an application behind that.
type bed struct {
	served
	ingress string
	client  *http.Client
}

// A served is a tagproc that runs.
type served struct {
	pid     int
	address string
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{served: serve(t), client: &http.Client{
		Timeout: limit, Transport: &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true},
	}}
	t.Cleanup(b.client.CloseIdleConnections)
	application, err := echo.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { application.Close() })
	// An attack takes the CPU of the machine that the application runs on, too, which
	// makes connecting to it slow: tagproc cannot change that. The time for connecting
	// to tagproc stays.
	ours, others, found := strings.Cut(mesh.Config, "- name: mocka-baseline")
	if !found {
		t.Fatal("the example has no cluster mocka-baseline behind that of tagproc")
	}
	example := ours + "- name: mocka-baseline" + strings.ReplaceAll(others, "connect_timeout: 1s", "connect_timeout: 30s")
	if !*full { // gives a machine time that is busy with other tests
		example = strings.Replace(example, "message_timeout: 0.2s", "message_timeout: 30s", 1)
		if !strings.Contains(example, "message_timeout: 30s") {
			t.Fatal("the example has no message_timeout that is known here")
		}
		example = strings.Replace(example, "connect_timeout: 1s", "connect_timeout: 30s", 1)
	}
	_, port, err := net.SplitHostPort(b.address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	config, err := envoy.Template(example, map[int]int{9901: 0, 10000: 0, 10001: 0, 9002: number, 10110: application.Port()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := envoy.Start(t.Context(), envoy.Options{Config: config, Log: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gateway.Stop(); err != nil {
			t.Error(err)
		}
	})
	b.ingress = gateway.Listeners["ingress"]
	return b
}

// serve starts a tagproc with the limits of the gateway.
func serve(t *testing.T) served {
	t.Helper()
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte(theRules), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tagproc, "serve", "--rules", rules, "--listen", "127.0.0.1:0", "--admin", "",
		"--max-request-headers", "200", "--max-request-headers-kb", "128")
	log := &transcript.Transcript{}
	cmd.Stdout, cmd.Stderr = log, log
	done, err := child.Start(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil { // it would wait for the streams of attackers
			t.Errorf("tagproc has ended: %v", cmd.ProcessState)
		}
		<-done
		if t.Failed() {
			t.Logf("the log of tagproc:\n%s", log.String())
		}
	})
	port := 0
	for deadline := time.Now().Add(limit); port == 0; time.Sleep(5 * time.Millisecond) {
		if port = program.Port(log.String()); time.Now().After(deadline) {
			t.Fatalf("after %v tagproc does not say where it listens:\n%s", limit, log.String())
		}
	}
	return served{cmd.Process.Pid, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
}

// rate is how many ordinary requests there are per second.
const rate = 200

// A tally is what became of ordinary requests.
type tally struct {
	mu       sync.Mutex
	took     []time.Duration
	untagged int
	wrong    []string // other answers than 200, and tags of another
}

// during sends ordinary requests at their rate, whether those before are answered or
// not, for a time.
func (b *bed) during(d time.Duration) *tally {
	t := &tally{}
	var requests sync.WaitGroup
	began := time.Now()
	for i := range int(d.Seconds() * rate) {
		due := began.Add(time.Duration(i) * time.Second / rate)
		time.Sleep(time.Until(due))
		requests.Go(func() { b.request(t, due, i) })
	}
	requests.Wait()
	return t
}

// request sends the i-th request, which was due then.
func (b *bed) request(t *tally, due time.Time, i int) {
	id := fmt.Sprintf("user-%d", i)
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	want := "x-asm-prefer-tag=s1"
	if h.Sum32()%100 < 50 {
		want = "x-asm-prefer-tag=s2"
	}
	status, tags, err := b.get(id)
	took := time.Since(due)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took = append(t.took, took)
	switch {
	case err != nil || status != http.StatusOK || tags != "" && tags != want:
		t.wrong = append(t.wrong, fmt.Sprintf("%s: status %d, tags %q, want %q, %v", id, status, tags, want, err))
	case tags == "":
		t.untagged++
	}
}

func (b *bed) get(id string) (status int, tags string, err error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+b.ingress+"/", nil)
	if err != nil {
		return 0, "", err
	}
	request.Host = "mocka"
	request.Header.Set("X-User-Id", id)
	response, err := b.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header.Get(echo.TagsHeader), err
}

func (a *tally) p99() time.Duration {
	if len(a.took) == 0 {
		return 0
	}
	slices.Sort(a.took)
	return a.took[len(a.took)*99/100]
}

// memory is the most that tagproc had resident, in bytes.
func (b served) memory(t *testing.T) int64 {
	t.Helper()
	n, err := machine.PeakResidentBytes(b.pid)
	if err != nil {
		t.Fatalf("the memory of tagproc is not known: %v", err)
	}
	return n
}

// attacked runs an attack on b by another process while do does something else, and
// returns its units.
func (b served) attacked(t *testing.T, number, connections, rate int, do func()) (units int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Peers elsewhere would take no CPU of this machine: these take what is left.
	cmd := exec.Command("nice", "-n", "19", self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s %d %d", roleVariable, number, b.address, connections, rate))
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out, trouble strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	do()
	input.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the attack itself fails: %v\n%s", err, trouble.String())
	}
	if _, err := fmt.Sscan(out.String(), &units); err != nil {
		t.Fatalf("the attack says %q, want how many units it did: %v", out.String(), err)
	}
	return units
}
