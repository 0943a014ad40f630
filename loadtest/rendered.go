package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"

	"go.yaml.in/yaml/v4"
)

// renderRules returns the HTTP filter that `tagproc render envoy --data-path lua`
// makes of a rules file. The other parts of the output are in the listener of every
// variant: the removal of forged tags, and the limits of headers.
func renderRules(ctx context.Context, tagproc, rulesFile string) (object, error) {
	cmd := exec.CommandContext(ctx, tagproc, "render", "envoy", "--rules", rulesFile, "--data-path", "lua", "--filters-only")
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	if err != nil {
		return nil, fmt.Errorf("couldn't render the rules as Lua: %w", err)
	}
	var rendered struct {
		Filters []struct {
			Config struct {
				Filters []object `yaml:"http_filters"`
			} `yaml:"typed_config"`
		}
	}
	if err := yaml.Load(out, &rendered); err != nil {
		return nil, fmt.Errorf("couldn't read the rules as Lua: %w", err)
	}
	if len(rendered.Filters) != 1 || len(rendered.Filters[0].Config.Filters) != 1 {
		return nil, fmt.Errorf("render envoy --filters-only printed no connection manager with one filter:\n%s", out)
	}
	return rendered.Filters[0].Config.Filters[0], nil
}
