package main

import (
	"os"
	"path"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// A written is an image that can be pushed or loaded from a path.
type written struct {
	Platform string // such as "linux/amd64", or "index" of all platforms
	Digest   v1.Hash
	Path     string
}

// write writes, for the images of one tag: all of them as an OCI layout in the
// directory dir/BASE, which crane push takes, and each as dir/BASE-OS-ARCH.tar, which
// docker load takes, under tag and as latest, which is what manifests mean that
// name no tag. BASE is the last part of the repository's name.
func write(dir string, tag name.Tag, of commit, images []v1.Image) ([]written, error) {
	base := path.Base(tag.RepositoryStr())
	all, err := index(images, of)
	if err != nil {
		return nil, err
	}
	digest, err := all.Digest()
	if err != nil {
		return nil, err
	}
	at := filepath.Join(dir, base)
	if err := os.RemoveAll(at); err != nil { // blobs of other versions
		return nil, err
	}
	store, err := layout.Write(at, empty.Index)
	if err != nil {
		return nil, err
	}
	if err := store.AppendIndex(all, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": of.Version})); err != nil {
		return nil, err
	}
	made := []written{{"index", digest, at}}
	for _, image := range images {
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		digest, err := image.Digest()
		if err != nil {
			return nil, err
		}
		at := filepath.Join(dir, base+"-"+config.OS+"-"+config.Architecture+".tar")
		if err := tarball.MultiWriteToFile(at, map[name.Tag]v1.Image{tag: image, tag.Tag("latest"): image}); err != nil {
			return nil, err
		}
		made = append(made, written{config.OS + "/" + config.Architecture, digest, at})
	}
	return made, nil
}
