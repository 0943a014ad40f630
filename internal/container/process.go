package container

import (
	"encoding/json"
	"os"
)

// A Process says in which surroundings a program runs: the pod's network, and files
// that are those of its container and no others.
type Process struct {
	Namespace string  // the network namespace, by a path; empty: that of the parent
	Hostname  string  // empty: that of the parent
	Root      string  // an empty directory, which becomes /
	Joins     bool    // whether Root is that of a container that runs, /proc/PID/root, which is then left as it is
	ReadOnly  bool    // whether / is read-only, except what is mounted
	Mounts    []Mount // in order
	Args      []string
	Env       []string // NAME=value; nothing else is in the environment
}

// A Mount makes a file or directory appear in a container.
type Mount struct {
	Source   string // a symbolic link is made one in the container
	Target   string // absolute, in the container
	ReadOnly bool
}

// Write writes p to a file, to be what Become takes.
func (p *Process) Write(file string) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600)
}
