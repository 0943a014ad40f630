package main

import (
	"archive/tar"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// root is where the module of tagproc is.
const root = "../.."

var testCommit = commit{Version: "v1.2.3", Revision: "4f1c", Time: time.Unix(1795355040, 0).UTC()}

// TestFiles compares what is in an image, and nothing else is, with what is listed
// here.
func TestFiles(t *testing.T) {
	t.Parallel()
	want := []string{
		"drwxr-xr-x etc/",
		"-rw-r--r-- etc/group",
		"-rw-r--r-- etc/passwd",
		"drwxr-xr-x etc/ssl/",
		"drwxr-xr-x etc/ssl/certs/",
		"-rw-r--r-- etc/ssl/certs/ca-certificates.crt",
		"-rwxr-xr-x tagproc",
	}
	for i, image := range tagproc(t) {
		var got []string
		for header := range contents(t, image) {
			got = append(got, header.FileInfo().Mode().String()+" "+header.Name)
			if header.Uid != 0 || header.Gid != 0 || header.Uname != "" || header.Gname != "" {
				t.Errorf("%s belongs to %d:%d (%q:%q), want 0:0 without names", header.Name, header.Uid, header.Gid, header.Uname, header.Gname)
			}
			if !header.ModTime.Equal(testCommit.Time) {
				t.Errorf("%s is of %v, want %v", header.Name, header.ModTime, testCommit.Time)
			}
			t.Logf("linux/%s %9d bytes %s", architectures[i], header.Size, header.Name)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("files of linux/%s (-want +got):\n%s", architectures[i], diff)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	labels := map[string]string{
		"org.opencontainers.image.created":  "2026-11-22T13:44:00Z",
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.revision": "4f1c",
		"org.opencontainers.image.source":   "https://github.com/tagproc/tagproc",
		"org.opencontainers.image.version":  "v1.2.3",
	}
	for i, image := range tagproc(t) {
		got, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		want := &v1.ConfigFile{
			OS: "linux", Architecture: architectures[i], Created: v1.Time{Time: testCommit.Time}, RootFS: got.RootFS,
			Config:  v1.Config{User: "65532:65532", WorkingDir: "/", Entrypoint: []string{"/tagproc"}, Labels: labels},
			History: []v1.History{{Created: v1.Time{Time: testCommit.Time}, CreatedBy: "tools/image"}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("config of linux/%s (-want +got):\n%s", architectures[i], diff)
		}
		manifest, err := image.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(labels, manifest.Annotations); diff != "" {
			t.Errorf("annotations of linux/%s (-want +got):\n%s", architectures[i], diff)
		}
	}
}

// TestCertificates counts what a program that dials would trust.
func TestCertificates(t *testing.T) {
	t.Parallel()
	text := certificates()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("no certificate was read")
	}
	all := x509.NewCertPool()
	for block := range strings.SplitAfterSeq(string(text), "-----END CERTIFICATE-----\n") {
		if block != "" && !all.AppendCertsFromPEM([]byte(block)) {
			t.Errorf("a certificate that Go does not read:\n%s", block)
		}
	}
	if n := strings.Count(string(text), "BEGIN CERTIFICATE"); n < 100 {
		t.Errorf("%d certificates, want at least 100", n)
	}
}

// TestWrite reads back what was written, twice to the same place.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tag := name.MustParseReference("tagproc/tagproc:v1.2.3").(name.Tag)
	earlier := testCommit
	earlier.Version = "v1.2.2"
	if _, err := write(dir, tag, earlier, tagproc(t)[:1]); err != nil {
		t.Fatal(err)
	}
	made, err := write(dir, tag, testCommit, tagproc(t))
	if err != nil {
		t.Fatal(err)
	}

	stored, err := layout.ImageIndexFromPath(filepath.Join(dir, "tagproc"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := stored.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != 1 { // crane push takes it only if it is one
		t.Fatalf("the layout has %d entries, want 1", len(manifest.Manifests))
	}
	if got, want := manifest.Manifests[0].Annotations["org.opencontainers.image.ref.name"], "v1.2.3"; got != want {
		t.Errorf("name in the layout = %q, want %q", got, want)
	}
	all, err := stored.ImageIndex(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(all); err != nil {
		t.Error(err)
	}
	platforms, err := all.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	got := []written{{"index", manifest.Manifests[0].Digest, filepath.Join(dir, "tagproc")}}
	for _, m := range platforms.Manifests {
		at := filepath.Join(dir, "tagproc-"+strings.ReplaceAll(m.Platform.String(), "/", "-")+".tar")
		got = append(got, written{m.Platform.String(), m.Digest, at})
	}
	if diff := cmp.Diff(made, got); diff != "" {
		t.Errorf("what was written (-said +there):\n%s", diff)
	}

	blobs, err := os.ReadDir(filepath.Join(dir, "tagproc", "blobs", "sha256"))
	if want := 1 + 3*len(architectures); len(blobs) != want || err != nil { // the index; a manifest, config and layer each
		t.Errorf("the layout has %d blobs, %v, want %d", len(blobs), err, want)
	}

	for i, image := range tagproc(t) {
		want, err := image.ConfigName()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []name.Tag{tag, tag.Tag("latest")} {
			loaded, err := tarball.ImageFromPath(filepath.Join(dir, "tagproc-linux-"+architectures[i]+".tar"), &name)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Image(loaded); err != nil {
				t.Error(err)
			}
			if got, err := loaded.ConfigName(); got != want || err != nil { // a manifest is not in it
				t.Errorf("id of the image %v to load = %v, %v, want %v", name, got, err, want)
			}
		}
	}
}

// tagproc returns tagproc's images, which are made once.
func tagproc(t *testing.T) []v1.Image {
	t.Helper()
	images, err := makeTagproc()
	if err != nil {
		t.Fatal(err)
	}
	return images
}

var makeTagproc = sync.OnceValues(func() ([]v1.Image, error) {
	ctx := context.Background() // it is not one test's
	chain, err := toolchain(ctx, root)
	if err != nil {
		return nil, err
	}
	return target{Packages: []string{"./cmd/tagproc"}}.make(ctx, builder{root, chain}, testCommit, architectures)
})

func pinned(t *testing.T) string {
	t.Helper()
	chain, err := toolchain(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// contents yields the entries of an image's only layer.
func contents(t *testing.T, image v1.Image) func(yield func(*tar.Header, io.Reader) bool) {
	t.Helper()
	return func(yield func(*tar.Header, io.Reader) bool) {
		layers, err := image.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatalf("Layers() = %d layers, %v, want 1", len(layers), err)
		}
		archive, err := layers[0].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		defer archive.Close()
		for r := tar.NewReader(archive); ; {
			header, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !yield(header, r) {
				return
			}
		}
	}
}

// unpack writes an image's files into a directory, as a container runtime does.
func unpack(t *testing.T, image v1.Image, dir string) {
	t.Helper()
	for header, r := range contents(t, image) {
		at := filepath.Join(dir, header.Name)
		if header.Typeflag == tar.TypeDir {
			if err := os.Mkdir(at, 0o700); err != nil {
				t.Fatal(err)
			}
		} else {
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(at, header.FileInfo().Mode().Perm()); err != nil { // whatever the umask
			t.Fatal(err)
		}
	}
}
