package program

import (
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/tagproc/tagproc/internal/leak"
	"github.com/tagproc/tagproc/rules"
)

func TestMain(m *testing.M) { leak.Main(m) }

// TestAdmin asks an API that says what tagproc's does.
func TestAdmin(t *testing.T) {
	t.Parallel()
	src := []byte("rules: []\n")
	table, problems := rules.Load("rules.yaml", src, rules.Options{})
	if table == nil {
		t.Fatal(problems.Err())
	}
	socket := filepath.Join(t.TempDir(), "admin.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("a{b=\"1\"} 2\na{b=\"2\"} 3.5\nab 7\ntagproc_rules_info{digest=\"" + table.Digest() + "\"} 1\n"))
	})
	server := &http.Server{Handler: mux}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})

	admin := Admin(socket)
	if _, err := admin.Get("/nothing"); err == nil || err.Error() != "404 Not Found" {
		t.Errorf("Get of what is not there: %v, want 404 Not Found", err)
	}
	for line, want := range map[string]float64{`a\{.*\}`: 5.5, `a\{b="2"\}`: 3.5, "ab": 7, "b": 0} {
		if got, err := admin.Metric(line); got != want || err != nil {
			t.Errorf("Metric(%q) = %v, %v, want %v", line, got, err, want)
		}
	}
	other := []byte("rules: [{header: x, tagHeader: y, policies: [{range: 1, tagValue: z}]}]\n")
	for name, tt := range map[string]struct {
		src  []byte
		want bool
	}{"the live rules": {src, true}, "others": {other, false}} {
		if got, err := admin.Serves(tt.src, rules.Options{}); got != tt.want || err != nil {
			t.Errorf("Serves of %s = %v, %v, want %v", name, got, err, tt.want)
		}
	}
	if _, err := admin.Serves([]byte("rules"), rules.Options{}); err == nil {
		t.Error("Serves of a file that cannot be used: no error")
	}
}

func TestPort(t *testing.T) {
	t.Parallel()
	for log, want := range map[string]int{
		"": 0,
		"level=INFO msg=listening address=/run/t.sock\nlevel=INFO msg=listening address=127.0.0.1:1234 tls=off\n": 1234,
	} {
		if got := Port(log); got != want {
			t.Errorf("Port(%q) = %d, want %d", log, got, want)
		}
	}
}
