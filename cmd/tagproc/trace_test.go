package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestTraceDocs checks that docs/envoy.md shows what trace prints.
func TestTraceDocs(t *testing.T) {
	t.Parallel()
	script, err := txtar.ParseFile("testdata/script/trace.txtar")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/envoy.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range script.Files {
		if f.Name == "jack.txt" && !strings.Contains(string(docs), "```text\n"+string(f.Data)+"```") {
			t.Errorf("docs/envoy.md does not have\n%s", f.Data)
		}
	}
}

// TestConfigDumpStaysThere checks that an answer which leads elsewhere is not followed: the
// address is that of an admin port, and what answers in its place may be anybody's.
func TestConfigDumpStaysThere(t *testing.T) {
	t.Parallel()
	asked := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked += r.URL.Path
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	src, err := configDump(t.Context(), strings.TrimPrefix(server.URL, "http://"))
	if err == nil || !strings.Contains(err.Error(), "302 Found") || asked != "/config_dump" {
		t.Errorf("asked is %s, and the answer is %q, %v", asked, src, err)
	}
}
