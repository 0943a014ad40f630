package envoy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// Template returns the YAML configuration with other ports and socket paths:
// every `port_value: N` with N in ports, and every `pipe: {path: P}` with P in
// paths. Nothing else changes in meaning. Port 0 lets Envoy take a free one.
//
// It is an error when an entry of ports or paths occurs nowhere.
func Template(config string, ports map[int]int, paths map[string]string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Load([]byte(config), &doc); err != nil {
		return nil, fmt.Errorf("couldn't read the Envoy configuration: %w", err)
	}
	t := templater{
		ports: ports, paths: paths,
		portSeen: make(map[int]bool), pathSeen: make(map[string]bool),
	}
	t.walk(&doc)

	var errs []error
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		if !t.portSeen[port] {
			errs = append(errs, fmt.Errorf("the Envoy configuration has no `port_value: %d` to replace", port))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if !t.pathSeen[path] {
			errs = append(errs, fmt.Errorf("the Envoy configuration has no `pipe: {path: %s}` to replace", path))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	out, err := yaml.Dump(&doc)
	if err != nil {
		return nil, fmt.Errorf("couldn't write the Envoy configuration: %w", err)
	}
	return out, nil
}

type templater struct {
	ports    map[int]int
	paths    map[string]string
	portSeen map[int]bool
	pathSeen map[string]bool
}

// walk replaces below n. An alias needs no visit: its anchor stands elsewhere in
// the same document.
func (t *templater) walk(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			switch key, value := n.Content[i], n.Content[i+1]; key.Value {
			case "port_value":
				t.port(value)
			case "pipe":
				t.pipe(value)
			}
		}
	}
	for _, c := range n.Content {
		t.walk(c)
	}
}

func (t *templater) port(n *yaml.Node) {
	old, err := strconv.Atoi(n.Value)
	if err != nil {
		return
	}
	if port, ok := t.ports[old]; ok {
		n.Value = strconv.Itoa(port)
		t.portSeen[old] = true
	}
}

func (t *templater) pipe(n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key, value := n.Content[i], n.Content[i+1]; key.Value == "path" {
			if path, ok := t.paths[value.Value]; ok {
				t.pathSeen[value.Value] = true
				value.SetString(path)
			}
		}
	}
}
