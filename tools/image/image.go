package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// make returns an image for each architecture.
func (t target) make(ctx context.Context, b builder, of commit, architectures []string) (images []v1.Image, err error) {
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for _, arch := range architectures {
		var binaries []file
		for _, pkg := range t.Packages {
			binary, err := b.Build(ctx, pkg, arch, of.Version, dir)
			if err != nil {
				return nil, fmt.Errorf("linux/%s: %w", arch, err)
			}
			content, err := os.ReadFile(binary)
			if err != nil {
				return nil, err
			}
			binaries = append(binaries, file{path.Base(pkg), 0o755, content})
		}
		image, err := assemble(binaries, arch, of)
		if err != nil {
			return nil, fmt.Errorf("linux/%s: %w", arch, err)
		}
		images = append(images, image)
	}
	return images, nil
}

// assemble returns the image of binaries, which runs the first. It has no arguments, so
// that the binary says how it is used: an image cannot guess what to serve.
func assemble(binaries []file, arch string, of commit) (v1.Image, error) {
	files, err := layer(rootfs(binaries), of.Time)
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: of.Time}
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: arch, Created: created, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{User: user, WorkingDir: "/", Entrypoint: []string{"/" + binaries[0].Name}, Labels: metadata(of)},
	})
	if err != nil {
		return nil, err
	}
	image = mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{
		Layer: files, MediaType: types.OCILayer, History: v1.History{Created: created, CreatedBy: "tools/image"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, metadata(of)).(v1.Image), nil
}

// index returns what stands for the images of all architectures.
func index(images []v1.Image, of commit) (v1.ImageIndex, error) {
	all := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, image := range images {
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		all = mutate.AppendManifests(all, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: config.Platform()}})
	}
	return mutate.Annotations(all, metadata(of)).(v1.ImageIndex), nil
}

// metadata returns the labels and annotations of an image, by the names that the
// image specification of OCI gives them.
func metadata(of commit) map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "version":  of.Version,
		prefix + "revision": of.Revision,
		prefix + "created":  of.Time.Format(time.RFC3339),
		prefix + "source":   "https://github.com/tagproc/tagproc",
		prefix + "licenses": "Apache-2.0",
	}
}
