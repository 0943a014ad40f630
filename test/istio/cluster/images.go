package cluster

import (
	"fmt"
	"path/filepath"
	"strings"
)

// image is what a container's image holds: one program, which it starts.
type image struct {
	program string // that Main has built
	path    string // in the container
}

var images = map[string]image{
	"tagproc/tagproc": {program: "tagproc", path: "/tagproc"},
	"tagproc/sample":  {program: "app", path: "/app"},
	"tagproc/otelapp": {program: "otelapp", path: "/otelapp"}, // of the tests alone
}

// proxyImage is what a gateway's manifest has where Istio puts its proxy.
const proxyImage = "auto"

// findImage returns the image of a name, whatever its tag or digest.
func findImage(name string) (image, error) {
	plain, _, _ := strings.Cut(name, "@")
	if i := strings.LastIndexByte(plain, ':'); i > strings.LastIndexByte(plain, '/') {
		plain = plain[:i]
	}
	found, ok := images[plain]
	if !ok {
		return image{}, fmt.Errorf("image %q cannot be pulled here: there are tagproc/tagproc, tagproc/sample, tagproc/otelapp and auto", name)
	}
	return found, nil
}

// file is the program on this machine.
func (i image) file() string { return filepath.Join(programs, i.program) }

// Tagproc is the program that Main has built, as the image has it.
func Tagproc() string { return images["tagproc/tagproc"].file() }
