package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	spec "github.com/tagproc/tagproc/internal/container"
	"github.com/tagproc/tagproc/internal/envoy"
)

// envoyMounts are the files of this machine that an Envoy sees: its binary, the
// libraries of the C compiler, and the temporary directory, in which its
// configuration is.
func envoyMounts(binary string) []spec.Mount {
	var mounts []spec.Mount
	for _, dir := range []string{"/usr", "/bin", "/lib", "/lib64", "/sys", os.TempDir(), binary} {
		if _, err := os.Lstat(dir); err == nil {
			mounts = append(mounts, spec.Mount{Source: dir, Target: dir})
		}
	}
	return mounts
}

// startEnvoy runs a container's Envoy and returns when it has its configuration.
func (c *container) startEnvoy(file string) error {
	config, err := json.Marshal(c.bootstrap())
	if err != nil {
		return err
	}
	// internal/envoy starts one file, with arguments of its own.
	script := filepath.Join(c.pod.dir, c.name()+".sh")
	text := fmt.Sprintf("#!/bin/sh\nexec '%s' '%s' \"$@\"\n", filepath.Join(programs, "container"), file)
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	go func() {
		select {
		case <-c.pod.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	c.envoy, err = envoy.Start(ctx, envoy.Options{Binary: script, Config: config, Log: &c.log})
	if err != nil && c.pod.ending() {
		return errEnding
	}
	return err
}

// stopEnvoy ends it, and says what it has refused before.
func (c *container) stopEnvoy() error {
	var err error
	select {
	case <-c.pod.kill: // who kills has asked before
	default:
		err = c.refusals()
	}
	return errors.Join(err, c.envoy.Stop())
}

// refusals returns an error if Envoy has refused a configuration or has logged
// something critical.
func (c *container) refusals() error {
	var errs []error
	stats, err := c.stats("update_rejected$|listener_create_failure$")
	if err != nil {
		errs = append(errs, err)
	}
	for name, n := range stats {
		if n > 0 {
			errs = append(errs, fmt.Errorf("%s is %d, want 0", name, n))
		}
	}
	for line := range strings.Lines(c.log.String()) {
		if strings.Contains(line, "][critical]") || strings.Contains(line, "rejected: ") {
			errs = append(errs, errors.New(strings.TrimSpace(line)))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("the Envoy of pod %q: %w", c.pod.name, errors.Join(errs...))
	}
	return nil
}

// stats are the counters and gauges whose name matches a regular expression.
func (c *container) stats(filter string) (map[string]uint64, error) {
	body, err := c.admin("/stats?" + url.Values{"format": {"json"}, "filter": {filter}}.Encode())
	if err != nil {
		return nil, err
	}
	var answer struct {
		Stats []struct {
			Name  string
			Value uint64
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, err
	}
	stats := map[string]uint64{}
	for _, s := range answer.Stats {
		if s.Name != "" { // the one without is the histograms
			stats[s.Name] = s.Value
		}
	}
	return stats, nil
}

// GaveUp reports whether an Envoy has given up waiting for tagproc since it was called
// before: on a busy machine the shipped 200 ms pass, and a request goes on untagged, which is
// right.
func (c *Cluster) GaveUp() bool {
	sum := uint64(0)
	for _, p := range c.proxies() {
		stats, err := p.stats(`ext_proc\..*message_timeouts$`)
		if err != nil {
			continue // it ends, or has
		}
		for _, n := range stats {
			sum += n
		}
	}
	return c.late.Swap(sum) != sum
}

// admin gets a path of Envoy's admin API.
func (c *container) admin(path string) (string, error) {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + c.envoy.Admin + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(body), err
}

// proxies are the containers with a running Envoy.
func (c *Cluster) proxies() []*container {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*container
	for _, p := range c.pods {
		if p.ending() {
			continue
		}
		p.mu.Lock()
		for _, one := range p.containers {
			if one.spec.Image == proxyImage && one.isReady() {
				all = append(all, one)
			}
		}
		p.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b *container) int { return a.pod.number - b.pod.number })
	return all
}

// Refusals returns an error if a running Envoy has refused a configuration or has
// logged something critical.
func (c *Cluster) Refusals() error {
	var errs []error
	for _, p := range c.proxies() {
		errs = append(errs, p.refusals())
	}
	return errors.Join(errs...)
}
