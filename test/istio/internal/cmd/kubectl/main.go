// Command kubectl stands in for Kubernetes' own in the tests' shell scripts: it asks
// the cluster in the test process, at the socket that KUBECTL_SOCKET names, and
// prints what that answers. Under the name istioctl it stands in for that.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// request and answer are those of package cluster, which would bring Istio along.
type request struct {
	Program string
	Args    []string
	Dir     string
	Stdin   []byte
}

type answer struct {
	Stdout, Stderr string
	Code           int
}

func main() {
	a, err := ask()
	if err != nil {
		fmt.Fprintln(os.Stderr, filepath.Base(os.Args[0])+":", err)
		os.Exit(1)
	}
	fmt.Print(a.Stdout)
	fmt.Fprint(os.Stderr, a.Stderr)
	os.Exit(a.Code)
}

func ask() (answer, error) {
	r := request{Program: filepath.Base(os.Args[0]), Args: os.Args[1:]}
	var err error
	if r.Dir, err = os.Getwd(); err != nil {
		return answer{}, err
	}
	// A script's own standard input is only for who asks for it.
	if slices.ContainsFunc(r.Args, func(a string) bool { return a == "-" || strings.Contains(a, "/dev/stdin") }) {
		if r.Stdin, err = io.ReadAll(os.Stdin); err != nil {
			return answer{}, err
		}
	}
	conn, err := net.Dial("unix", os.Getenv("KUBECTL_SOCKET"))
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(r); err != nil {
		return answer{}, err
	}
	var a answer
	err = json.NewDecoder(conn).Decode(&a)
	return a, err
}
