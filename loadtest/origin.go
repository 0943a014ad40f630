package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"github.com/tagproc/tagproc/internal/envoy"
	"github.com/tagproc/tagproc/internal/machine"
)

// An origin is where, when and with what was measured.
type origin struct {
	machine.Machine

	Date                 time.Time
	Took                 string
	Command              string
	Envoy, GRPC, Tagproc string
}

// describe asks the machine and the programs.
func describe(ctx context.Context, tagproc string) (*origin, error) {
	m := &origin{Machine: machine.This(), Date: time.Now().UTC(), GRPC: "unknown"}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == "google.golang.org/grpc" {
				m.GRPC = d.Version
			}
		}
	}
	path, err := envoy.Find()
	if err != nil {
		return nil, err
	}
	if m.Envoy, err = output(ctx, path, "--version"); err != nil {
		return nil, err
	}
	// PATH  version: COMMIT/VERSION/TREE/BUILD/TLS
	if _, version, ok := strings.Cut(m.Envoy, "version: "); ok {
		if parts := strings.Split(version, "/"); len(parts) > 1 {
			m.Envoy = parts[1]
		}
	}
	if m.Tagproc, err = output(ctx, tagproc, "version"); err != nil {
		return nil, fmt.Errorf("%w; build it with make build", err)
	}
	return m, nil
}

// output returns what a program prints, on one line.
func output(ctx context.Context, binary string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, args...).Output()
	if err != nil {
		return "", fmt.Errorf("couldn't ask %s for its version: %w", binary, err)
	}
	return strings.Join(strings.Fields(string(out)), " "), nil
}
