// Command curl stands in for curl on a machine without one, with the flags that the
// tests' shell scripts use: -s, -S, -f, -i, -o FILE and -H HEADER.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/pflag"
)

// httpError is curl's exit code for -f and a status of 400 and above.
const httpError = 22

func main() {
	code, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "curl:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func run(args []string, stdout io.Writer) (int, error) {
	flags := pflag.NewFlagSet("curl", pflag.ContinueOnError)
	_ = flags.BoolP("silent", "s", false, "") // it always is
	_ = flags.BoolP("show-error", "S", false, "")
	fail := flags.BoolP("fail", "f", false, "")
	include := flags.BoolP("include", "i", false, "")
	output := flags.StringP("output", "o", "", "")
	headers := flags.StringArrayP("header", "H", nil, "")
	if err := flags.Parse(args); err != nil {
		return 2, err
	}
	if flags.NArg() != 1 {
		return 2, errors.New("want one URL")
	}
	url := flags.Arg(0)
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 3, err
	}
	request.Header.Set("Accept", "*/*")
	for _, h := range *headers {
		name, value, _ := strings.Cut(h, ":")
		value = strings.TrimSpace(value)
		if strings.EqualFold(name, "host") {
			request.Host = value
		}
		request.Header.Add(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(request) // without following redirects
	if err != nil {
		return 7, err
	}
	defer response.Body.Close()
	if *fail && response.StatusCode >= http.StatusBadRequest {
		return httpError, fmt.Errorf("the requested URL returned error: %d", response.StatusCode)
	}
	if *output != "" {
		file, err := os.Create(*output)
		if err != nil {
			return 23, err
		}
		defer file.Close()
		stdout = file
	}
	if *include {
		fmt.Fprintf(stdout, "%s %s\r\n", response.Proto, response.Status)
		if err := response.Header.Write(stdout); err != nil {
			return 23, err
		}
		fmt.Fprint(stdout, "\r\n")
	}
	_, err = io.Copy(stdout, response.Body)
	return 0, err
}
