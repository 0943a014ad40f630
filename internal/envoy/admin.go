package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
)

// Stat returns the value of the counter or gauge with exactly this name, e.g.
// http.ingress.downstream_rq_5xx or listener_manager.listener_create_failure.
// It is an error if Envoy has none, so that a misspelt name is never read as 0.
func (p *Process) Stat(ctx context.Context, name string) (uint64, error) {
	query := url.Values{
		"format": {"json"},
		"filter": {"^" + regexp.QuoteMeta(name) + "$"},
	}
	body, err := p.admin(ctx, "/stats?"+query.Encode())
	if err != nil {
		return 0, err
	}
	var answer struct {
		Stats []struct {
			Name  string
			Value uint64
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return 0, fmt.Errorf("couldn't read Envoy's stat %s: %w", name, err)
	}
	for _, s := range answer.Stats {
		if s.Name == name {
			return s.Value, nil
		}
	}
	return 0, fmt.Errorf("envoy has no stat %s: see http://%s/stats for their names", name, p.Admin)
}

// listeners asks for the addresses that are bound: a configured port may be 0.
func (p *Process) listeners(ctx context.Context) (map[string]string, error) {
	body, err := p.admin(ctx, "/listeners?format=json")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Statuses []struct {
			Name  string
			Local struct {
				Socket struct {
					Address string
					Port    int `json:"port_value"`
				} `json:"socket_address"`
				Pipe struct{ Path string }
			} `json:"local_address"`
		} `json:"listener_statuses"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		return nil, fmt.Errorf("couldn't read Envoy's listeners: %w", err)
	}
	listeners := make(map[string]string)
	for _, s := range answer.Statuses {
		if s.Local.Pipe.Path != "" {
			listeners[s.Name] = s.Local.Pipe.Path
			continue
		}
		listeners[s.Name] = net.JoinHostPort(s.Local.Socket.Address, strconv.Itoa(s.Local.Socket.Port))
	}
	return listeners, nil
}

// admin gets a path of the admin API. Each call has a connection of its own, so
// that nothing stays open.
func (p *Process) admin(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.Admin+path, nil)
	if err != nil {
		return "", fmt.Errorf("couldn't ask Envoy's admin API: %w", err)
	}
	request.Close = true
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("couldn't ask Envoy's admin API: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("couldn't read Envoy's admin API: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("envoy's admin API answered %s to %s: %s", response.Status, path, body)
	}
	return string(body), nil
}
