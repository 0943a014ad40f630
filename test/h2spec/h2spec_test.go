package h2spec

import (
	"encoding/xml"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/tagproc/tagproc/internal/child"
	"github.com/tagproc/tagproc/internal/program"
	"github.com/tagproc/tagproc/internal/transcript"
	"github.com/tagproc/tagproc/processor"
)

const (
	limit = 60 * time.Second // of a wait for a condition

	// leastCases is how many cases h2spec 2.2.1 has.
	leastCases = 146
)

// Where the programs are built.
var tagproc, h2spec string

func TestMain(m *testing.M) {
	os.Exit(program.Run(m, func(dir string) error {
		tagproc, h2spec = filepath.Join(dir, "tagproc"), filepath.Join(dir, "h2spec")
		if err := program.Build(tagproc); err != nil {
			return err
		}
		build := exec.Command("go", "build", "-modfile=tools/h2spec.mod", "-o", h2spec, "github.com/summerwind/h2spec/cmd/h2spec")
		build.Dir = "../.."
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("couldn't build h2spec: %w\n%s", err, out)
		}
		return nil
	}))
}

// TestH2spec checks that each case which a plain server of grpc-go passes, tagproc
// passes as well. h2spec judges by time: a case that looks worse is run again by
// itself, with more of it.
func TestH2spec(t *testing.T) {
	t.Parallel()
	ours, plain := startTagproc(t), startPlain(t)
	both := func(timeout time.Duration, which string) (of [2]map[string]outcome) {
		t.Helper()
		var group sync.WaitGroup
		for i, port := range []int{ours, plain} {
			group.Go(func() { of[i] = run(t, port, timeout, which) })
		}
		group.Wait()
		return of
	}
	results := both(time.Second, "")
	if len(results[0]) < leastCases || len(results[1]) != len(results[0]) {
		t.Fatalf("%d and %d cases were run, want %d each", len(results[0]), len(results[1]), leastCases)
	}
	failed, same := 0, 0
	for name, o := range results[0] {
		if o.trouble == "" {
			continue
		}
		failed++
		if results[1][name].trouble != "" {
			same++
			continue
		}
		t.Logf("%s looks worse, and is run again: %s", name, o.trouble)
		again := both(5*time.Second, o.number)
		if len(again[0]) != 1 || len(again[1]) != 1 {
			t.Fatalf("h2spec %s runs %d and %d cases, want one", o.number, len(again[0]), len(again[1]))
		}
		for name := range again[0] {
			if again[0][name].trouble != "" && again[1][name].trouble == "" {
				t.Errorf("%s: tagproc fails, and a plain server of grpc-go does not:\n%s", name, again[0][name].trouble)
			}
		}
	}
	t.Logf("of %d cases tagproc fails %d, and a plain server of grpc-go fails %d of these as well", len(results[0]), failed, same)
}

// An outcome is that of a case.
type outcome struct {
	number  string // by which h2spec runs it alone
	trouble string // "": it passed, or was skipped
}

// run runs all cases, or which, and returns their outcomes by name.
func run(t *testing.T, port int, timeout time.Duration, which string) map[string]outcome {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report.xml")
	args := []string{
		"--port", strconv.Itoa(port), "--path", "/" + processor.ServiceName + "/Process", "--strict",
		"--timeout", strconv.Itoa(int(timeout.Seconds())), "--junit-report", report,
	}
	if which != "" {
		args = append(args, which)
	}
	out, err := exec.Command(h2spec, args...).CombinedOutput()
	content, readErr := os.ReadFile(report)
	if readErr != nil { // the exit code says that some case failed
		t.Errorf("h2spec %v: %v, %v\n%s", args, err, readErr, out)
		return nil
	}
	var suites struct {
		Suites []struct {
			Cases []struct {
				Section string `xml:"package,attr"`
				Name    string `xml:"classname,attr"`
				Failure string `xml:"failure"`
				Error   string `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(content, &suites); err != nil {
		t.Errorf("%s: %v", report, err)
	}
	cases := map[string]outcome{}
	for _, s := range suites.Suites {
		for i, c := range s.Cases {
			number := fmt.Sprintf("%s/%d", c.Section, i+1)
			cases[number+" "+c.Name] = outcome{number, c.Failure + c.Error}
		}
	}
	return cases
}

// startTagproc runs tagproc until the test ends and returns its port.
func startTagproc(t *testing.T) (port int) {
	t.Helper()
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("rules: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &transcript.Transcript{}
	cmd := exec.Command(tagproc, "serve", "--rules", rules, "--listen", "127.0.0.1:0", "--admin", "")
	cmd.Stdout, cmd.Stderr = log, log
	done, err := child.Start(cmd, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Errorf("tagproc has ended: %v\n%s", cmd.ProcessState, log.String())
		}
		<-done
	})
	for deadline := time.Now().Add(limit); port == 0; time.Sleep(5 * time.Millisecond) {
		if port = program.Port(log.String()); time.Now().After(deadline) {
			t.Fatalf("after %v tagproc does not say where it listens:\n%s", limit, log.String())
		}
	}
	return port
}

// startPlain serves the same service by grpc-go alone and returns the port.
func startPlain(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.ForceServerCodecV2(processor.Codec()),
		grpc.MaxConcurrentStreams(2560)) // tagproc's: without a limit h2spec skips a case
	processor.Register(s, processor.New(processor.Options{}))
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return l.Addr().(*net.TCPAddr).Port
}
