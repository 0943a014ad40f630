package chaos

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy"
)

// A bed is where one row runs on one Envoy.
type bed struct {
	version  string // of Envoy; empty: there is none
	rate     int    // requests per second of an ordinary load
	findings *findings
	live     live

	gateway *envoy.Process // after startGateway
	trouble trouble
	loads   []*load
}

// explain logs what helps to see why a row fails.
func (b *bed) explain(t *testing.T) {
	t.Helper()
	for _, l := range b.loads {
		for _, example := range l.examples {
			t.Log(example)
		}
		t.Logf("the load itself was late by at most %s", milliseconds(l.late))
	}
	if b.gateway != nil {
		t.Logf("Envoy said:\n%s", b.trouble.String())
	}
}

// tempDir is a directory whose path is short enough for Unix sockets in it.
func (b *bed) tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "chaos-") //nolint:usetesting // the path of a socket has at most 107 bytes, and the names of rows are long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// socket is the path of a Unix socket that does not exist yet.
func (b *bed) socket(t *testing.T) string {
	t.Helper()
	return filepath.Join(b.tempDir(t), "tagproc.sock")
}

// rulesFile is a file with the rules of generation 0, in a directory of its own.
func (b *bed) rulesFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(b.tempDir(t), "rules.yaml")
	writeFile(t, path, generation(0))
	return path
}

// startGateway runs an echo and before it, until the test ends, the bed's Envoy
// with the example's configuration, tagproc at the sockets.
func (b *bed) startGateway(t *testing.T, sockets []string, edits ...edit) {
	t.Helper()
	application, err := echo.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := application.Close(); err != nil {
			t.Error(err)
		}
	})
	if !*full {
		edits = slices.Insert(edits, 0, patient)
	}
	binary, err := envoy.FindVersion(b.version)
	if err != nil {
		t.Fatal(err)
	}
	b.gateway, err = envoy.Start(t.Context(), envoy.Options{
		Binary: binary, Config: gatewayConfig(t, application.Port(), sockets, edits...), Log: &b.trouble,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.gateway.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// stat returns a counter or gauge of Envoy.
func (b *bed) stat(t *testing.T, name string) int {
	t.Helper()
	n, err := b.gateway.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// trouble keeps what Envoy writes, except the access log's lines of requests that
// went well.
type trouble struct {
	mu    sync.Mutex
	begun []byte // a line that has no end yet
	text  bytes.Buffer
}

// wentWell is what the access log says of a request that tagproc answered.
var wentWell = regexp.MustCompile(` status=200 .* tagproc=(0|-) `)

func (w *trouble) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	const most = 64 << 10
	w.begun = append(w.begun, p...)
	for {
		line, rest, ended := bytes.Cut(w.begun, []byte("\n"))
		if !ended {
			return len(p), nil
		}
		if w.text.Len() < most && !wentWell.Match(line) {
			w.text.Write(append(line, '\n'))
		}
		w.begun = rest
	}
}

func (w *trouble) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(w.text.String())
}

func writeFile(t *testing.T, path string, src []byte) {
	t.Helper()
	if err := os.WriteFile(path, src, 0o600); err != nil {
		t.Fatal(err)
	}
}

// replaceFile puts src in the place of a file in one step.
func replaceFile(t *testing.T, path string, src []byte) {
	t.Helper()
	writeFile(t, path+".new", src)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
