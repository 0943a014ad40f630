package cluster

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// istioctl runs a command of istioctl and returns what it prints. It supports
// proxy-config listeners and proxy-config log, for a pod.
func (c *Cluster) istioctl(args []string) (string, error) {
	var namespace, output, level string
	config := &cobra.Command{Use: "proxy-config", Aliases: []string{"pc"}}
	listeners := &cobra.Command{Use: "listeners POD", Aliases: []string{"listener"}, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if output != "json" {
			return fmt.Errorf("-o %q is not played here", output)
		}
		body, err := c.askEnvoy(http.MethodGet, namespace, args[0], "/config_dump?resource=dynamic_listeners")
		cmd.Print(body)
		return err
	}}
	listeners.Flags().StringVarP(&output, "output", "o", "", "")
	log := &cobra.Command{Use: "log POD", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		logger, to, ok := strings.Cut(level, ":")
		if !ok {
			return fmt.Errorf("--level %q is not played here", level)
		}
		body, err := c.askEnvoy(http.MethodPost, namespace, args[0], "/logging?"+url.Values{logger: {to}}.Encode())
		cmd.Print(body)
		return err
	}}
	log.Flags().StringVar(&level, "level", "", "")
	config.AddCommand(listeners, log)

	root := &cobra.Command{Use: "istioctl", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringVarP(&namespace, "namespace", "n", "default", "")
	root.AddCommand(config)
	var out bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.Execute()
	return out.String(), err
}

// askEnvoy asks the admin API of the Envoy in a pod.
func (c *Cluster) askEnvoy(method, namespace, pod, path string) (string, error) {
	one, err := c.container(namespace, pod, proxyName)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequest(method, "http://"+one.envoy.Admin+path, http.NoBody)
	if err != nil {
		return "", err
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

// container is that of a pod.
func (c *Cluster) container(namespace, name, of string) (*container, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.pods, func(p *pod) bool { return p.namespace() == namespace && p.name == name })
	if i < 0 {
		return nil, fmt.Errorf("pod %q not found in %q", name, namespace)
	}
	p := c.pods[i]
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.containers {
		if one.name() == of && one.isReady() {
			return one, nil
		}
	}
	return nil, fmt.Errorf("pod %q has no container %q that is ready", name, of)
}
