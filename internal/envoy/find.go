package envoy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The releases of Envoy that the tests run on.
const (
	Version         = "1.40.0" // what `make envoy` puts in place, and `make envoys` as well
	PreviousVersion = "1.36.4" // what Istio 1.28 ships; `make envoys` puts it in place
)

// Versions returns the releases that tests of Envoy's behaviour run on, the newest
// first.
func Versions() []string { return []string{Version, PreviousVersion} }

// Find returns the path of an Envoy binary: $ENVOY when it is set, else envoy on
// PATH, else the release Version, as `make envoy` put it into .envoy of the working
// directory or of a directory above it.
func Find() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("couldn't look for envoy: %w", err)
	}
	return find(os.Getenv("ENVOY"), dir)
}

// FindVersion returns the path of an Envoy binary of one release, such as 1.36.4:
// what $ENVOY or else PATH names if it says that it is this release, else what
// `make envoys` put into .envoy of the working directory or of a directory above
// it.
func FindVersion(version string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("couldn't look for envoy %s: %w", version, err)
	}
	return findVersion(version, os.Getenv("ENVOY"), dir)
}

func find(env, dir string) (string, error) {
	path, err := atHand(env)
	if err != nil || path != "" {
		return path, err
	}
	path, err = installed(Version, dir)
	if err == nil && path == "" {
		err = errors.New("found no Envoy binary: $ENVOY is not set, envoy is not on PATH, and there is no " +
			place(Version) + " here or above; run `make envoy`, or set ENVOY to the path of one")
	}
	return path, err
}

func findVersion(version, env, dir string) (string, error) {
	path, err := atHand(env)
	if err != nil || path != "" && is(path, version) {
		return path, err
	}
	path, err = installed(version, dir)
	if err == nil && path == "" {
		err = fmt.Errorf("found no Envoy %s: neither $ENVOY nor envoy on PATH is one, and there is no %s here or above; "+
			"run `make envoys`, or set ENVOY to the path of one", version, place(version))
	}
	return path, err
}

// atHand returns what $ENVOY names, else envoy on PATH, else nothing.
func atHand(env string) (string, error) {
	if env != "" {
		path, err := exec.LookPath(env)
		if err != nil {
			return "", fmt.Errorf("couldn't use ENVOY=%s: %w; set ENVOY to the path of an Envoy binary, or unset it", env, errors.Unwrap(err))
		}
		return filepath.Abs(path)
	}
	// LookPath finds nothing in the working directory, so that a file called envoy
	// there is never run by accident.
	path, err := exec.LookPath("envoy")
	if err != nil {
		return "", nil //nolint:nilerr // no Envoy on PATH is an answer
	}
	return path, nil
}

// is reports whether a binary says that it is of a release:
// "version: <commit>/1.40.0/Clean/RELEASE/BoringSSL".
func is(path, version string) bool {
	out, err := exec.Command(path, "--version").Output()
	return err == nil && strings.Contains(string(out), "/"+version+"/")
}

// place is where the Makefile puts the binary of a release, from the repository's
// root.
func place(version string) string {
	return filepath.Join(".envoy", version, "envoy", "_bin", "envoy")
}

// installed returns what the Makefile put in place in dir or a directory above it,
// else nothing.
func installed(version, dir string) (string, error) {
	for {
		path := filepath.Join(dir, place(version))
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
			return "", nil
		}
		dir = parent
	}
}
