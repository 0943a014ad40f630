package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tagproc/tagproc/internal/child"
)

const (
	startLimit = 30 * time.Second // until a server listens
	stopLimit  = 10 * time.Second // between SIGTERM and SIGKILL
)

// A server is a running ext_proc server.
type server struct {
	tcp   string // HOST:PORT
	unix  string // the path of its socket
	admin string // HOST:PORT of the admin API, if it has one

	name string
	cmd  *exec.Cmd
	done <-chan struct{} // closed when the process has ended
	log  []string        // its last lines; to be read after done
}

// startTextbook runs the textbook server.
func startTextbook(ctx context.Context, binary, dir string) (*server, error) {
	return startServer(ctx, "textbook", binary, dir, nil, 0)
}

// startTagproc runs tagproc with a rules file, under a name of its own, and with
// these variables in its environment.
func startTagproc(ctx context.Context, name, binary, dir, rulesFile string, env ...string) (*server, error) {
	return startServer(ctx, name, binary, dir, env, 1,
		"serve", "--rules", rulesFile, "--admin", "127.0.0.1:0", "--log-format", "json",
		"--first-message-timeout", "1h", // idle streams are measured too
		"--max-request-headers", "200", "--max-request-headers-kb", "128") // as the gateway has them
}

// startServer runs a server that writes one JSON line to stderr for each address
// that it listens on, and waits for two, TCP and a Unix socket in dir, and as many
// admin addresses.
func startServer(ctx context.Context, name, binary, dir string, env []string, admins int, args ...string) (*server, error) {
	s := &server{name: name, unix: filepath.Join(dir, name+".sock")}
	s.cmd = exec.Command(binary, append(args, "--listen", "127.0.0.1:0", "--listen", "unix://"+s.unix)...)
	s.cmd.Env = append(os.Environ(), env...)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("couldn't start %s: %w", name, err)
	}
	listening := make(chan [2]string, 2+admins)
	if s.done, err = child.Start(s.cmd, func() { s.follow(stderr, listening) }); err != nil {
		return nil, fmt.Errorf("couldn't start %s: %w", name, err)
	}
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	for range 2 + admins {
		select {
		case l := <-listening:
			switch message, address := l[0], l[1]; {
			case message != "listening":
				s.admin = address
			case address != s.unix:
				s.tcp = address
			}
			continue
		case <-s.done:
			return nil, s.ended()
		case <-ctx.Done():
			err = ctx.Err()
		case <-limit.C:
			err = fmt.Errorf("it does not listen after %v", startLimit)
		}
		return nil, errors.Join(fmt.Errorf("couldn't start %s: %w", name, err), s.stop())
	}
	return s, nil
}

// follow reads the log of the process and waits for its end.
func (s *server) follow(stderr io.Reader, listening chan<- [2]string) {
	const most = 20
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.log = append(s.log, lines.Text())
		s.log = s.log[max(0, len(s.log)-most):]
		var line struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Address != "" && strings.HasPrefix(line.Msg, "listening") {
			select {
			case listening <- [2]string{line.Msg, line.Address}:
			default:
			}
		}
	}
	_ = s.cmd.Wait() // how it ended stands in cmd.ProcessState
}

// address returns where Envoy finds the server.
func (s *server) address(via string) string {
	if via == "unix" {
		return s.unix
	}
	return s.tcp
}

func (s *server) pid() int { return s.cmd.Process.Pid }

func (s *server) ended() error {
	return fmt.Errorf("%s ended by itself: %v; the end of its log:\n%s", s.name, s.cmd.ProcessState, strings.Join(s.log, "\n"))
}

// stop ends the process. It is an error if it had ended before.
func (s *server) stop() error {
	select {
	case <-s.done:
		return s.ended()
	default:
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("couldn't stop %s: %w", s.name, err)
	}
	select {
	case <-s.done:
	case <-time.After(stopLimit):
		if err := s.cmd.Process.Kill(); err != nil {
			return fmt.Errorf("couldn't kill %s: %w", s.name, err)
		}
		<-s.done
	}
	return nil
}
