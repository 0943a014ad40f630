package kube

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"
)

// accountDir is where a pod has the token of its account.
const accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// Connect returns a client as a kubeconfig file says. Without one, "", it is the account
// of the pod, or else, outside of a cluster, the kubeconfig of KUBECONFIG or ~/.kube/config.
func Connect(kubeconfig string) (*Client, error) {
	if host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"); kubeconfig == "" && host != "" {
		return inCluster(accountDir, host, port)
	}
	if kubeconfig == "" {
		kubeconfig, _, _ = strings.Cut(os.Getenv("KUBECONFIG"), string(os.PathListSeparator))
	}
	if kubeconfig == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		kubeconfig = filepath.Join(home, ".kube", "config")
	}
	return fromKubeconfig(kubeconfig)
}

// inCluster returns a client with the account whose token and authority are in a directory.
func inCluster(dir, host, port string) (*Client, error) {
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("the account of the pod cannot be read: %w: set automountServiceAccountToken: true in the pod", err)
	}
	pool, err := poolOf(ca)
	if err != nil {
		return nil, err
	}
	return newClient("https://"+net.JoinHostPort(host, port), tokenFile(filepath.Join(dir, "token")),
		&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}), nil
}

// tokenFile reads a token whenever it is needed: the kubelet writes a new one every hour.
func tokenFile(path string) func() (string, error) {
	return func() (string, error) {
		token, err := os.ReadFile(path)
		return strings.TrimSpace(string(token)), err
	}
}

func poolOf(ca []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("the authority of the API server is not a certificate in PEM")
	}
	return pool, nil
}

// A kubeconfig is what is read of such a file.
type kubeconfig struct {
	CurrentContext string `yaml:"current-context"`
	Contexts       []struct {
		Name    string
		Context struct{ Cluster, User string }
	}
	Clusters []struct {
		Name    string
		Cluster struct {
			Server        string
			Authority     string `yaml:"certificate-authority"`
			AuthorityData string `yaml:"certificate-authority-data"`
			ServerName    string `yaml:"tls-server-name"`
			Insecure      bool   `yaml:"insecure-skip-tls-verify"`
			Proxy         string `yaml:"proxy-url"`
		}
	}
	Users []struct {
		Name string
		User struct {
			Certificate     string `yaml:"client-certificate"`
			CertificateData string `yaml:"client-certificate-data"`
			Key             string `yaml:"client-key"`
			KeyData         string `yaml:"client-key-data"`
			Token           string
			TokenFile       string `yaml:"tokenFile"`
			Username        string
			Exec            any
			AuthProvider    any `yaml:"auth-provider"`
			As              string
			AsUID           string   `yaml:"as-uid"`
			AsGroups        []string `yaml:"as-groups"`
			AsExtra         any      `yaml:"as-user-extra"`
		}
	}
}

// fromKubeconfig returns a client of the current context of a file.
func fromKubeconfig(path string) (*Client, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig cannot be read: %w: name one with --kubeconfig", err)
	}
	var config kubeconfig
	if err := yaml.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("the kubeconfig %s: %w", path, err)
	}
	client, err := config.client(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig %s: %w", path, err)
	}
	return client, nil
}

func (k *kubeconfig) client(dir string) (*Client, error) {
	var cluster, user string
	for i := range k.Contexts {
		if c := &k.Contexts[i]; c.Name == k.CurrentContext {
			cluster, user = c.Context.Cluster, c.Context.User
		}
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	var server string
	for i := range k.Clusters {
		c := &k.Clusters[i].Cluster
		if k.Clusters[i].Name != cluster {
			continue
		}
		server, secure.ServerName, secure.InsecureSkipVerify = c.Server, c.ServerName, c.Insecure //nolint:gosec // the file asks for it
		if c.Proxy != "" {
			return nil, errors.New("proxy-url is not supported: set HTTPS_PROXY")
		}
		ca, err := fileOrData(dir, c.Authority, c.AuthorityData)
		if err == nil && ca != nil {
			secure.RootCAs, err = poolOf(ca)
		}
		if err != nil {
			return nil, err
		}
	}
	if at, err := url.Parse(server); err != nil || at.Host == "" {
		return nil, fmt.Errorf("the context %q has no server of a cluster", k.CurrentContext)
	}
	var token func() (string, error)
	for i := range k.Users {
		u := &k.Users[i].User
		if k.Users[i].Name != user {
			continue
		}
		if u.Exec != nil || u.AuthProvider != nil || u.Username != "" || u.As != "" || u.AsUID != "" || u.AsGroups != nil || u.AsExtra != nil {
			return nil, fmt.Errorf("the user %q has credentials that are not supported (exec, auth-provider, username, as): run kubectl proxy, and name a kubeconfig with server: http://127.0.0.1:8001", user)
		}
		certificate, err := fileOrData(dir, u.Certificate, u.CertificateData)
		if err != nil {
			return nil, err
		}
		key, err := fileOrData(dir, u.Key, u.KeyData)
		if err != nil {
			return nil, err
		}
		if certificate != nil {
			pair, err := tls.X509KeyPair(certificate, key)
			if err != nil {
				return nil, fmt.Errorf("the certificate of the user %q: %w", user, err)
			}
			secure.Certificates = []tls.Certificate{pair}
		}
		switch {
		case u.TokenFile != "":
			token = tokenFile(beside(dir, u.TokenFile))
		case u.Token != "":
			token = func() (string, error) { return u.Token, nil }
		}
	}
	return newClient(strings.TrimSuffix(server, "/"), token, secure), nil
}

func beside(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// fileOrData returns what a kubeconfig has as a file or in base64; nil: neither.
func fileOrData(dir, path, data string) ([]byte, error) {
	switch {
	case data != "":
		return base64.StdEncoding.DecodeString(data)
	case path != "":
		return os.ReadFile(beside(dir, path))
	}
	return nil, nil
}
