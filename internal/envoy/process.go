package envoy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/tagproc/tagproc/internal/child"
)

const (
	startLimit = 60 * time.Second // until Envoy is live; it takes well below one
	stopLimit  = 10 * time.Second // between SIGTERM and SIGKILL
	pollPause  = 10 * time.Millisecond
)

// Options says how to run Envoy.
type Options struct {
	Binary      string    // the executable, as from Find; empty: Find is asked
	Config      []byte    // the configuration, in YAML; it needs an admin address, whose port may be 0
	Concurrency int       // worker threads; 0: 1
	LogLevel    string    // trace, debug, info, warning, error, critical or off; empty: warning
	Log         io.Writer // gets Envoy's log and what access logs write to stdout; may be nil. One goroutine writes to it
}

// Process is a running Envoy.
type Process struct {
	Admin     string            // host:port of the admin API
	Listeners map[string]string // host:port, or a socket's path, by the listener's name

	cmd  *exec.Cmd
	dir  string // temporary, with the configuration
	log  *tail
	live bool
	done <-chan struct{} // closed when the process has ended; nil: it never started
}

// Start runs Envoy and returns when it is live, with every listener open. ctx
// bounds the start alone; the process runs until Stop. A failed start leaves
// neither process nor file behind, and its error carries the end of Envoy's log.
func Start(ctx context.Context, o Options) (*Process, error) {
	if o.Binary == "" {
		var err error
		if o.Binary, err = Find(); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "tagproc-envoy-")
	if err != nil {
		return nil, fmt.Errorf("couldn't start Envoy: %w", err)
	}
	p := &Process{
		dir: dir,
		log: &tail{next: o.Log},
	}
	if err := p.start(ctx, o); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *Process) start(ctx context.Context, o Options) error {
	config := filepath.Join(p.dir, "envoy.yaml")
	if err := os.WriteFile(config, o.Config, 0o600); err != nil {
		return fmt.Errorf("couldn't start Envoy: %w", err)
	}
	adminAddress := filepath.Join(p.dir, "admin-address")
	level := o.LogLevel
	if level == "" {
		level = "warning"
	}
	p.cmd = exec.Command(o.Binary,
		"--config-path", config,
		"--admin-address-path", adminAddress,
		"--concurrency", strconv.Itoa(max(1, o.Concurrency)),
		"--log-level", level,
		"--disable-hot-restart",             // it shares memory by a number that two Envoys must not share
		"--file-flush-interval-msec", "100", // access logs, else up to ten seconds late
	)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.WaitDelay = stopLimit

	var err error
	if p.done, err = child.Start(p.cmd, nil); err != nil {
		return fmt.Errorf("couldn't start Envoy: %w", err)
	}

	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := p.waitLive(ctx, adminAddress); err != nil {
		return err
	}
	if p.Listeners, err = p.listeners(ctx); err != nil {
		return err
	}
	p.live = true
	return nil
}

// waitLive waits until the admin API says that Envoy is live: every listener is
// open then.
func (p *Process) waitLive(ctx context.Context, adminAddress string) error {
	tick := time.NewTicker(pollPause)
	defer tick.Stop()
	for {
		// Envoy writes this file when the admin port is open.
		if addr, err := os.ReadFile(adminAddress); err == nil && len(addr) > 0 {
			p.Admin = string(addr)
			if body, err := p.admin(ctx, "/ready"); err == nil && body == "LIVE\n" {
				return nil
			}
		}
		select {
		case <-p.done:
			return p.exited()
		case <-ctx.Done():
			return fmt.Errorf("waited for Envoy to be live: %w; the end of its log:\n%s", ctx.Err(), p.log)
		case <-tick.C:
		}
	}
}

// PID is the id of the process, by which its use of CPU and memory is found.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended, by Stop or by itself.
func (p *Process) Done() <-chan struct{} { return p.done }

func (p *Process) exited() error {
	return fmt.Errorf("envoy ended by itself: %v; the end of its log:\n%s", p.cmd.ProcessState, p.log)
}

// Stop ends the process, by SIGKILL if SIGTERM does not within ten seconds, and
// removes its files. If the process had ended before, the error carries the end of
// Envoy's log. A second Stop does nothing.
func (p *Process) Stop() error {
	if p.dir == "" {
		return nil
	}
	var err error
	if p.done != nil {
		err = p.end()
	}
	err = errors.Join(err, os.RemoveAll(p.dir))
	p.dir = ""
	return err
}

func (p *Process) end() error {
	select {
	case <-p.done:
		if p.live {
			return p.exited()
		}
		return nil
	default:
	}
	// A process that has ended meanwhile is not an error, nor one that is killed.
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("couldn't stop Envoy: %w", err)
	}
	select {
	case <-p.done:
	case <-time.After(stopLimit):
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("couldn't kill Envoy: %w", err)
		}
		<-p.done
	}
	return nil
}
