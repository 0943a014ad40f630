package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// probePause is between two probes, whatever period a manifest has: nobody wants to
// wait.
const probePause = 100 * time.Millisecond

// startup waits until the startup probe succeeds, if there is one, for as long as it
// says.
func (c *container) startup() error {
	probe := c.spec.StartupProbe
	if probe == nil {
		return nil
	}
	limit := time.Duration(orDefault(probe.FailureThreshold, 3)) * time.Duration(orDefault(probe.PeriodSeconds, 10)) * time.Second
	deadline := time.Now().Add(limit)
	for {
		err := c.ask(probe)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the startup probe failed for %v: %w; the log:\n%s", limit, err, c.log.String())
		}
		select {
		case <-c.pod.stop:
			return errEnding
		case <-time.After(probePause):
		}
	}
}

// probe keeps ready what the readiness probe says.
func (c *container) probe() {
	failures := 0
	for {
		if c.ask(c.spec.ReadinessProbe) == nil {
			failures = 0
			c.setReady(true)
		} else if failures++; failures >= int(orDefault(c.spec.ReadinessProbe.FailureThreshold, 3)) {
			c.setReady(false)
		}
		select {
		case <-c.stopping:
			return
		case <-time.After(probePause):
		}
	}
}

// ask probes once, from the node, as a kubelet does.
func (c *container) ask(probe *corev1.Probe) error {
	timeout := time.Duration(orDefault(probe.TimeoutSeconds, 1)) * time.Second
	host := c.pod.network().Address.String()
	if probe.TCPSocket != nil {
		port, err := c.port(probe.TCPSocket.Port)
		if err != nil {
			return err
		}
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), timeout)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	port, err := c.port(probe.HTTPGet.Port)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + net.JoinHostPort(host, strconv.Itoa(port)) + probe.HTTPGet.Path)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode >= 400 {
		return errors.New(response.Status)
	}
	return nil
}

// port resolves a port that may be the name of one of the container's.
func (c *container) port(p intstr.IntOrString) (int, error) {
	if p.Type == intstr.Int {
		return p.IntValue(), nil
	}
	for _, named := range c.spec.Ports {
		if named.Name == p.StrVal {
			return int(named.ContainerPort), nil
		}
	}
	return 0, fmt.Errorf("container %q has no port called %q", c.name(), p.StrVal)
}

func orDefault(n, otherwise int32) int32 {
	if n == 0 {
		return otherwise
	}
	return n
}
