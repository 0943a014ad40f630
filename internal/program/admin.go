package program

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tagproc/tagproc/rules"
)

// answerLimit is how long an answer may take, even from a suspended process.
const answerLimit = 60 * time.Second

// Admin is the admin API of a running tagproc, by the path of its Unix socket.
type Admin string

// Get returns what a path answers. An answer other than 200 is an error, with the
// body beside it.
func (a Admin) Get(path string) (string, error) {
	client := http.Client{Timeout: answerLimit, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", string(a))
		},
	}}
	response, err := client.Get("http://admin" + path)
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

// Metric returns the sum of the samples whose line, up to the value, matches the
// regular expression: 0 if none does.
func (a Admin) Metric(line string) (float64, error) {
	body, err := a.Get("/metrics")
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, m := range regexp.MustCompile(`(?m)^`+line+` (\S+)$`).FindAllStringSubmatch(body, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// Serves reports whether the rules of src are live. It is an error if src cannot be
// used; a tagproc that does not answer serves nothing.
func (a Admin) Serves(src []byte, o rules.Options) (bool, error) {
	table, problems := rules.Load("rules.yaml", src, o)
	if table == nil {
		return false, problems.Err()
	}
	body, err := a.Get("/metrics")
	return err == nil && strings.Contains(body, `tagproc_rules_info{digest="`+table.Digest()+`"} 1`), nil
}

// Port returns the port of 127.0.0.1 that tagproc says in its log it listens on, or
// 0 before it does.
func Port(log string) int {
	m := listening.FindStringSubmatch(log)
	if m == nil {
		return 0
	}
	port, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return port
}

var listening = regexp.MustCompile(`msg=listening address=127\.0\.0\.1:(\d+)`)
