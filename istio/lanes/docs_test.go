package lanes

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/tagproc/tagproc/source"
)

var fence = regexp.MustCompile("(?ms)^```([a-z ]*)\n(.*?)\n```$")

// TestDocs reads the lanes files of docs/lanes.md. A block marked as refused is
// followed by one with its messages.
func TestDocs(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../docs/lanes.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(src)
	blocks := fence.FindAllStringSubmatch(text, -1)
	files := 0
	for i, b := range blocks {
		switch b[1] {
		case "yaml":
			docs := documents(t, "lanes.yaml", []byte(b[2]))
			if docs[0].Kind == "Gateway" {
				checkHTTPS(t, docs[0])
				continue
			}
			files++
			groups, _, problems := Read(docs)
			if len(groups) != 1 || len(problems) > 0 {
				t.Errorf("block %d: %d groups, %v\n%s", i+1, len(groups), problems, b[2])
			}
		case "yaml refused":
			files++
			_, _, problems := Read(documents(t, "lanes.yaml", []byte(b[2])))
			if got, want := said(nil, problems), blocks[i+1][2]+"\n"; got != want {
				t.Errorf("block %d: problems:\n%swant:\n%s", i+1, got, want)
			}
		}
	}
	if files != 4 {
		t.Errorf("%d lanes files, want 4", files)
	}
	groups, _, _ := Read(documents(t, "lanes.yaml", []byte(blocks[0][2])))
	first, _, _ := Read(read(t, "testdata/ok/first-document.yaml"))
	if got, want := rendered(t, groups, Options{}), rendered(t, first, Options{}); got != want {
		t.Errorf("the first block becomes\n%s\nwant that of the first document\n%s", got, want)
	}
}

// checkHTTPS checks that a Gateway ends TLS, and has HTTP routes: it is the one that
// the lanes files of the document name.
func checkHTTPS(t *testing.T, d *source.Document) {
	t.Helper()
	var g networking.Gateway
	if err := d.Get("spec").Message(&g).Err(); err != nil {
		t.Fatal(err)
	}
	if d.ID() != "Gateway istio-system/ingressgateway" || d.APIVersion != apiVersion || len(g.Servers) != 2 {
		t.Fatalf("%s of %s has %d servers, want the gateway of the lanes with two", d.ID(), d.APIVersion, len(g.Servers))
	}
	https, http := g.Servers[0], g.Servers[1]
	if tls := https.Tls; https.Port.Protocol != "HTTPS" || tls.GetMode() != networking.ServerTLSSettings_SIMPLE || tls.GetCredentialName() == "" {
		t.Errorf("the first server is %v, want one that ends TLS", https)
	}
	if http.Port.Protocol != "HTTP" || !http.Tls.GetHttpsRedirect() || !slices.Equal(http.Hosts, https.Hosts) {
		t.Errorf("the second server is %v, want one that redirects the same hosts", http)
	}
}

// TestDocsKeys checks that docs/lanes.md has each key of a lanes file, and no other.
func TestDocsKeys(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../docs/lanes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(src), "\n## The lanes file\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var documented, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
		documented = append(documented, m[1])
	}
	// The keys that are offered to a file of unknown keys.
	_, _, problems := Read(documents(t, "f.yaml", []byte("x: 1\nlanes: [{x: 1}]\nnamed: [{x: 1}]\ningress: [{x: 1}]\n")))
	for _, p := range problems {
		if _, keys, found := strings.Cut(p.Message, "expected one of "); found {
			want = append(want, strings.Split(keys, ", ")...)
		}
	}
	slices.Sort(documented)
	slices.Sort(want)
	if !slices.Equal(documented, want) {
		t.Errorf("docs/lanes.md has the keys %q, want %q", documented, want)
	}
}
