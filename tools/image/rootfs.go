package main

import (
	"archive/tar"
	"bytes"
	_ "embed"
	"encoding/pem"
	"io"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// The user of every image, by number, so that Kubernetes can tell that it is not
// root. rootfs/etc names it.
const user = "65532:65532"

var (
	//go:embed rootfs/etc/passwd
	passwd []byte
	//go:embed rootfs/etc/group
	group []byte
)

// A file is one of an image. It belongs to root, and nobody may write it.
type file struct {
	Name    string // without the slash before it; with one at its end a directory
	Mode    int64
	Content []byte
}

// rootfs returns all files of an image, in the order of their names.
func rootfs(binaries []file) []file {
	files := append([]file{
		{"etc/", 0o755, nil},
		{"etc/group", 0o644, group},
		{"etc/passwd", 0o644, passwd},
		{"etc/ssl/", 0o755, nil},
		{"etc/ssl/certs/", 0o755, nil},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, certificates()},
	}, binaries...)
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.Name, b.Name) })
	return files
}

// certificates returns Mozilla's root certificates as PEM. Those that Mozilla trusts
// with a reservation, which PEM cannot express, are left out.
func certificates() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		}
	}
	return text.Bytes()
}

// layer returns files as a layer of an image.
func layer(files []file, modified time.Time) (v1.Layer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, f := range files {
		header := tar.Header{
			Format: tar.FormatUSTAR, Typeflag: tar.TypeReg,
			Name: f.Name, Mode: f.Mode, Size: int64(len(f.Content)), ModTime: modified,
		}
		if f.Content == nil {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(&header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
}
