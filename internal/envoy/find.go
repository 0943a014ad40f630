package envoy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Version is the release of Envoy that `make envoy` puts in place.
const Version = "1.40.0"

// installed is where `make envoy` puts the binary, from the repository's root.
var installed = filepath.Join(".envoy", Version, "envoy", "_bin", "envoy")

// Find returns the path of an Envoy binary: $ENVOY when it is set, else envoy on
// PATH, else what `make envoy` put into .envoy of the working directory or of a
// directory above it.
func Find() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("couldn't look for envoy: %w", err)
	}
	return find(os.Getenv("ENVOY"), dir)
}

func find(env, dir string) (string, error) {
	if env != "" {
		path, err := exec.LookPath(env)
		if err != nil {
			return "", fmt.Errorf("couldn't use ENVOY=%s: %w; set ENVOY to the path of an Envoy binary, or unset it", env, errors.Unwrap(err))
		}
		return filepath.Abs(path)
	}
	// LookPath finds nothing in the working directory, so that a file called envoy
	// there is never run by accident.
	if path, err := exec.LookPath("envoy"); err == nil {
		return path, nil
	}
	for {
		path := filepath.Join(dir, installed)
		if info, err := os.Stat(path); err == nil {
			if !trusted(info) {
				return "", fmt.Errorf("%s belongs to another user and is not run; set ENVOY to the path of an Envoy binary", path)
			}
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("couldn't look for envoy: %w", err)
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("found no Envoy binary: $ENVOY is not set, envoy is not on PATH, and there is no " +
				installed + " here or above; run `make envoy`, or set ENVOY to the path of one")
		}
		dir = parent
	}
}
