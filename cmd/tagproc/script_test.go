package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tagproc/tagproc/internal/leak"
)

// limit bounds every wait for a condition in the tests of this package.
const limit = 60 * time.Second

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

// leakChecked runs tests and then looks for goroutines that they left.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int { return leak.Run(l.m) }

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"tagproc": resolving})
}

// TestScript runs the command line as its users do.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"await":       await,
			"awaithealth": awaitHealth,
			"plain":       plain,
			"tell":        tell,
			"unescape":    unescape,
			"replace":     replace,
			"rights":      rights,
			"terminate":   terminate,
		},
	})
}

// await waits until GET of a path over a Unix socket gives a status and a body
// that matches: await SOCKET PATH STATUS REGEXP.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: await SOCKET PATH STATUS REGEXP")
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", ts.MkAbs(args[0]))
		},
	}}
	want := regexp.MustCompile(args[3])
	var last string
	eventually(ts, func() bool {
		response, err := client.Get("http://admin" + args[1])
		if err != nil {
			last = err.Error()
			return false
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		last = fmt.Sprint(response.StatusCode, " ", string(body), err)
		return strconv.Itoa(response.StatusCode) == args[2] && want.Match(body)
	}, &last)
}

// awaitHealth waits until a gRPC health check over a Unix socket gives a status:
// awaithealth SOCKET SERVICE STATUS.
func awaitHealth(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: awaithealth SOCKET SERVICE STATUS")
	}
	conn, err := grpc.NewClient("unix://"+ts.MkAbs(args[0]), grpc.WithTransportCredentials(insecure.NewCredentials()))
	ts.Check(err)
	defer conn.Close()
	var last string
	eventually(ts, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		response, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: args[1]})
		last = fmt.Sprint(response, err)
		return err == nil && response.Status.String() == args[2]
	}, &last)
}

func eventually(ts *testscript.TestScript, condition func() bool, last *string) {
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("after %v still: %s", limit, *last)
		}
	}
}

// replace puts a file in the place of another in one step: replace NEW OLD.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: replace NEW OLD")
	}
	src := ts.ReadFile(args[0])
	temporary := filepath.Join(filepath.Dir(ts.MkAbs(args[1])), ".replacement")
	ts.Check(os.WriteFile(temporary, []byte(src), 0o600))
	ts.Check(os.Rename(temporary, ts.MkAbs(args[1])))
}

// rights compares the rights of a file with octal ones: rights FILE MODE.
func rights(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: rights FILE MODE")
	}
	info, err := os.Lstat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has the rights %s, want %s", args[0], got, args[1])
	}
}

// plain checks that what the last command wrote is lines of printable text:
// plain stdout|stderr.
func plain(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: plain stdout|stderr")
	}
	for line := range strings.SplitSeq(ts.ReadFile(args[0]), "\n") {
		if i := strings.IndexFunc(line, func(r rune) bool { return !strconv.IsPrint(r) }); i >= 0 {
			ts.Fatalf("%s has %q", args[0], line[i:])
		}
	}
}

// tell runs tagproc with arguments that have escapes, \e for ESC, and whatever exit
// code: tell ARGUMENT...
func tell(ts *testscript.TestScript, _ bool, args []string) {
	for i, a := range args {
		text, err := strconv.Unquote(`"` + strings.ReplaceAll(a, `\e`, `\x1b`) + `"`)
		ts.Check(err)
		args[i] = text
	}
	_ = ts.Exec("tagproc", args...) // what it says is what counts
}

// unescape replaces the escapes in a file, such as \xe9, by what they stand for:
// unescape FILE.
func unescape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unescape FILE")
	}
	var out []byte
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		text, err := strconv.Unquote(`"` + strings.TrimSuffix(line, "\n") + `\n"`)
		ts.Check(err)
		out = append(out, text...)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out, 0o600))
}

// terminate sends SIGTERM to the background command that was started last.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	cmds := ts.BackgroundCmds()
	if neg || len(args) != 0 || len(cmds) == 0 {
		ts.Fatalf("usage: terminate, with a command in the background")
	}
	ts.Check(cmds[len(cmds)-1].Process.Signal(syscall.SIGTERM))
}
