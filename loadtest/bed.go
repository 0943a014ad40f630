package main

import (
	"context"
	_ "embed"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/tagproc/tagproc/internal/envoy"
)

//go:embed upstream.yaml
var upstreamConfig []byte

// binaries are the programs under test and the tools, as paths.
type binaries struct{ tagproc, textbook, ghz string }

// A bed is what one round runs on: the servers, the gateway with a listener for
// each variant, and the upstream, all fresh.
type bed struct {
	tagproc       *server
	textbook, one *server // nil where no variant needs them; one is tagproc with GOMAXPROCS=1
	gateway       *envoy.Process
	rulesFile     string   // of tagproc
	env           []string // of tagproc

	upstream *envoy.Process
	dir      string
}

// newBed starts everything that these variants need. With none it is tagproc
// alone. A failed start leaves nothing behind.
func newBed(ctx context.Context, b binaries, rules string, variants ...variant) (*bed, error) {
	return newBedIn(ctx, nil, b, rules, variants...)
}

// newBedIn does the same with variables in the environment of tagproc.
func newBedIn(ctx context.Context, env []string, b binaries, rules string, variants ...variant) (*bed, error) {
	t := &bed{env: env}
	if err := t.start(ctx, b, rules, variants); err != nil {
		return nil, errors.Join(err, t.stop())
	}
	return t, nil
}

func (t *bed) start(ctx context.Context, b binaries, source string, variants []variant) (err error) {
	if t.dir, err = os.MkdirTemp("", "tagproc-load-"); err != nil {
		return err
	}
	t.rulesFile = filepath.Join(t.dir, "rules.yaml")
	if err := os.WriteFile(t.rulesFile, []byte(source), 0o600); err != nil {
		return err
	}
	if t.tagproc, err = startTagproc(ctx, "tagproc", b.tagproc, t.dir, t.rulesFile, t.env...); err != nil {
		return err
	}
	servers := make(map[string]string)
	for _, v := range variants {
		switch v.server {
		case "tagproc":
			servers[v.id] = t.tagproc.address(v.via)
		case "tagproc-one":
			if t.one == nil {
				if t.one, err = startTagproc(ctx, "tagproc-one", b.tagproc, t.dir, t.rulesFile, "GOMAXPROCS=1"); err != nil {
					return err
				}
			}
			servers[v.id] = t.one.address(v.via)
		case "textbook":
			if t.textbook == nil {
				if t.textbook, err = startTextbook(ctx, b.textbook, t.dir); err != nil {
					return err
				}
			}
			servers[v.id] = t.textbook.address(v.via)
		}
	}
	if len(variants) == 0 {
		return nil
	}
	if t.upstream, err = envoy.Start(ctx, envoy.Options{Config: upstreamConfig, LogLevel: "error"}); err != nil {
		return err
	}
	var rules object
	if slices.ContainsFunc(variants, func(v variant) bool { return v.filter == ruleLua }) {
		if rules, err = renderRules(ctx, b.tagproc, t.rulesFile); err != nil {
			return err
		}
	}
	config, err := gatewayConfig(variants, t.upstream.Listeners, servers, rules)
	if err != nil {
		return err
	}
	t.gateway, err = envoy.Start(ctx, envoy.Options{Config: config, LogLevel: "error", Concurrency: 1})
	return err
}

// server returns the ext_proc server of the variant, or nil.
func (t *bed) server(v variant) *server {
	switch v.server {
	case "tagproc":
		return t.tagproc
	case "tagproc-one":
		return t.one
	case "textbook":
		return t.textbook
	}
	return nil
}

// stop ends every process and removes every file.
func (t *bed) stop() error {
	var errs []error
	for _, p := range []*envoy.Process{t.gateway, t.upstream} {
		if p != nil {
			errs = append(errs, p.Stop())
		}
	}
	for _, s := range []*server{t.tagproc, t.one, t.textbook} {
		if s != nil {
			errs = append(errs, s.stop())
		}
	}
	if t.dir != "" {
		errs = append(errs, os.RemoveAll(t.dir))
	}
	return errors.Join(errs...)
}
