package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/spf13/cobra"
)

// kubectlRequest is a command that a script has run; see internal/cmd/kubectl.
type kubectlRequest struct {
	Program string // kubectl or istioctl
	Args    []string
	Dir     string
	Stdin   []byte
}

type kubectlAnswer struct {
	Stdout, Stderr string
	Code           int
}

// Kubectl runs a kubectl command in a directory and returns what it prints. It
// supports apply, delete, get, create, rollout, scale, label, patch, set env, wait, logs
// and kustomize, with the flags that are in use; anything else is an error.
func (c *Cluster) Kubectl(dir string, stdin []byte, args ...string) (string, error) {
	var out bytes.Buffer
	k := &kubectl{c: c, dir: dir, stdin: stdin}
	root := k.command()
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.Execute()
	return out.String(), err
}

// serveKubectl answers at a socket until the test ends.
func (c *Cluster) serveKubectl(t testing.TB, socket string) error {
	t.Helper()
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // it was closed
			}
			tasks.Go(func() {
				defer conn.Close()
				if err := c.answerKubectl(conn); err != nil {
					t.Errorf("kubectl: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		tasks.Wait()
	})
	return nil
}

func (c *Cluster) answerKubectl(conn net.Conn) error {
	var r kubectlRequest
	if err := json.NewDecoder(conn).Decode(&r); err != nil {
		return err
	}
	var a kubectlAnswer
	var err error
	if r.Program == "istioctl" {
		a.Stdout, err = c.istioctl(r.Args)
	} else {
		a.Stdout, err = c.Kubectl(r.Dir, r.Stdin, r.Args...)
	}
	if err != nil {
		a.Stderr, a.Code = fmt.Sprintf("error: %v\n", err), 1
	}
	return json.NewEncoder(conn).Encode(a)
}

// kubectl is one command that runs.
type kubectl struct {
	c         *Cluster
	dir       string
	stdin     []byte
	namespace string
	files     []string
	kustomize string
	output    string
}

func (k *kubectl) command() *cobra.Command {
	root := &cobra.Command{Use: "kubectl", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringVarP(&k.namespace, "namespace", "n", "default", "")
	root.AddCommand(
		k.applyCommand(), k.deleteCommand(), k.getCommand(), k.createCommand(), k.rolloutCommand(),
		k.scaleCommand(), k.labelCommand(), k.patchCommand(), k.setCommand(), k.waitCommand(), k.logsCommand(), k.kustomizeCommand(),
	)
	return root
}

// sources adds the flags that say where manifests are.
func (k *kubectl) sources(cmd *cobra.Command) {
	cmd.Flags().StringSliceVarP(&k.files, "filename", "f", nil, "")
	cmd.Flags().StringVarP(&k.kustomize, "kustomize", "k", "", "")
}

// manifests reads what the flags of sources name, in one stream.
func (k *kubectl) manifests() (string, error) {
	if k.kustomize != "" {
		return kustomize(k.path(k.kustomize))
	}
	if len(k.files) == 0 {
		return "", errors.New("must specify one of -f and -k")
	}
	var stream bytes.Buffer
	for _, file := range k.files {
		text := string(k.stdin)
		if file != "-" && file != stdin {
			var err error
			if text, err = readManifests(k.path(file)); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(&stream, "---\n%s\n", text)
	}
	return stream.String(), nil
}

// stdin is a file that is not this process's.
const stdin = "/dev/stdin"

// read reads a file that an argument names.
func (k *kubectl) read(file string) ([]byte, error) {
	if file == stdin {
		return k.stdin, nil
	}
	return os.ReadFile(k.path(file))
}

func (k *kubectl) path(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(k.dir, file)
}

func printAll(cmd *cobra.Command, lines []string, suffix string) {
	for _, line := range lines {
		cmd.Println(line + suffix)
	}
}
