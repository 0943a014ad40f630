// Command guest is what pods of tests run:
//
//	guest serve PORT     answer GET /PATH with the file, 404 without; /ENV/NAME and /host are of the process
//	guest get URL        print the answer
//	guest api PATH       ask the API server with the pod's account, and print the answer
//	guest write PATH     make an empty file
//	guest remove PATH    remove a file
//	guest exit CODE      end so
//	guest stay PORT      serve, and end by SIGKILL alone
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

func main() {
	if err := run(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run(verb string, args []string) error {
	switch verb {
	case "serve":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		failed := make(chan error, 1)
		go func() { failed <- http.ListenAndServe(":"+args[0], http.HandlerFunc(answer)) }() //nolint:gosec // of a test
		select {
		case <-stop:
			fmt.Println("SIGTERM")
			return nil
		case err := <-failed:
			return err
		}
	case "get":
		return get(http.DefaultClient, args[0], "")
	case "api":
		return api(args[0])
	case "write":
		return os.WriteFile(args[0], nil, 0o600)
	case "remove":
		return os.Remove(args[0])
	case "exit":
		code, err := strconv.Atoi(args[0])
		if err == nil {
			os.Exit(code)
		}
		return err
	case "stay":
		signal.Ignore(syscall.SIGTERM)
		return http.ListenAndServe(":"+args[0], http.HandlerFunc(answer)) //nolint:gosec // of a test
	}
	return errors.New("no such verb: " + verb)
}

func answer(w http.ResponseWriter, r *http.Request) {
	if name, ok := strings.CutPrefix(r.URL.Path, "/ENV/"); ok {
		fmt.Fprint(w, os.Getenv(name))
		return
	}
	if r.URL.Path == "/host" {
		name, _ := os.Hostname()
		fmt.Fprint(w, name)
		return
	}
	content, err := os.ReadFile(r.URL.Path)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	_, _ = w.Write(content)
}

func api(path string) error {
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	host := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	return get(client, "https://"+host+path, string(token))
}

func get(client *http.Client, url, token string) error {
	request, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.Status, string(body))
	return err
}
