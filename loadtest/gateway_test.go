package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/tagproc/tagproc/internal/envoy"
)

var (
	someLanes   = map[string]string{"baseline": "127.0.0.1:1001", "canary": "127.0.0.1:1002"}
	someServers = map[string]string{
		"textbook-unix": "/run/server.sock", "textbook-tcp": "127.0.0.1:1003",
		"tagproc-unix": "/run/server.sock", "tagproc-one-unix": "/run/one.sock", "tagproc-tcp": "127.0.0.1:1003",
	}
)

func configOf(t *testing.T, all ...variant) string {
	t.Helper()
	config, err := gatewayConfig(all, someLanes, someServers, rendered(t, rule))
	if err != nil {
		t.Fatal(err)
	}
	return string(config)
}

// rendered returns the filter of a rules file.
func rendered(t *testing.T, source string) object {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	filter, err := renderRules(t.Context(), built.tagproc, path)
	if err != nil {
		t.Fatal(err)
	}
	return filter
}

// The filter is of the rules that it is made of, and wrong rules are an error that
// says what is wrong.
func TestRenderRules(t *testing.T) {
	t.Parallel()
	source := func(rules string) string {
		var config struct {
			Config struct {
				Code struct {
					Inline string `yaml:"inline_string"`
				} `yaml:"default_source_code"`
			} `yaml:"typed_config"`
		}
		if err := remarshal(rendered(t, rules), &config); err != nil {
			t.Fatal(err)
		}
		return config.Config.Code.Inline
	}
	for _, share := range []string{"20", "30"} {
		if got, want := source(strings.Replace(rule, "range: 20", "range: "+share, 1)), fmt.Sprintf("range = %s, tag = \"s2\"", share); !strings.Contains(got, want) {
			t.Errorf("the Lua of a rule for %s%% does not contain %q:\n%s", share, want, got)
		}
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, []byte("rules: [{}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if filter, err := renderRules(t.Context(), built.tagproc, path); err == nil || !strings.Contains(err.Error(), "rules.yaml:1") {
		t.Errorf("renderRules of wrong rules = %v, %v; want an error with the place", filter, err)
	}
}

func TestEnvoyAcceptsEachConfiguration(t *testing.T) {
	t.Parallel()
	configs := map[string]string{"upstream": string(upstreamConfig), "all": configOf(t, variants...)}
	for _, v := range variants {
		configs[v.id] = configOf(t, v)
	}
	binary, err := envoy.Find()
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "envoy.yaml")
			if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), binary, "--mode", "validate", "--config-path", path, "--log-level", "error")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("envoy --mode validate: %v\n%s\n%s", err, out, config)
			}
		})
	}
}

// Envoy's configuration must give tagproc no advantage.
func TestServersAreConfiguredAlike(t *testing.T) {
	t.Parallel()
	for _, via := range []string{"unix", "tcp"} {
		textbook := configOf(t, variantOf("textbook-"+via))
		tagproc := configOf(t, variantOf("tagproc-"+via))
		if diff := cmp.Diff(strings.ReplaceAll(textbook, "textbook-"+via, "tagproc-"+via), tagproc); diff != "" {
			t.Errorf("over %s the configurations differ in more than the name (-textbook +tagproc):\n%s", via, diff)
		}
	}
}

// The listener of a variant without an ext_proc filter differs from tagproc's only in
// the filters, or in the routes.
func TestListenersAreAlike(t *testing.T) {
	t.Parallel()
	rules := rendered(t, rule)
	listener := func(v variant) object {
		s, err := readShipped()
		if err != nil {
			t.Fatal(err)
		}
		s.listenerOf(v, rules)
		for _, own := range []string{"http_filters", "route_config", "stat_prefix"} {
			delete(s.manager, own)
		}
		s.listener["name"] = ""
		return s.listener
	}
	want := listener(variantOf("tagproc-tcp"))
	if _, ok := want["enable_reuse_port"]; !ok {
		t.Error("the listener has lost the settings of the shipped one")
	}
	for _, v := range variants {
		if diff := cmp.Diff(want, listener(v)); diff != "" {
			t.Errorf("the listener of %s (-tagproc +it):\n%s", v.id, diff)
		}
	}
}

func TestGatewayAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ address, want string }{
		{"127.0.0.1:9002", "socket_address: {address: 127.0.0.1, port_value: 9002}"},
		{"[::1]:9002", "socket_address: {address: '::1', port_value: 9002}"},
		{"/run/x.sock", "pipe: {path: /run/x.sock}"},
	} {
		var want object
		if err := yaml.Load([]byte(tt.want), &want); err != nil {
			t.Fatal(err)
		}
		got, err := addressOf(tt.address)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("addressOf(%q): %v (-want +got):\n%s", tt.address, err, diff)
		}
	}
	for _, wrong := range []string{"", "here", "127.0.0.1:http"} {
		if got, err := addressOf(wrong); err == nil {
			t.Errorf("addressOf(%q) = %v, want an error", wrong, got)
		} else if !strings.Contains(err.Error(), fmt.Sprintf("%q", wrong)) {
			t.Errorf("addressOf(%q): %v; want an error that names it", wrong, err)
		}
	}
}
