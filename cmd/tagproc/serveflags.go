package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tagproc/tagproc/fleet"
	"github.com/tagproc/tagproc/kube"
	"github.com/tagproc/tagproc/processor"
	"github.com/tagproc/tagproc/transport"
)

// serveFlags are the flags of serve.
type serveFlags struct {
	rulesFile         string
	rulesFallback     string
	rules             rulesFlags
	startWithoutRules bool

	listen     []string
	socketMode fileMode
	tls        transport.CertificateFiles
	admin      string
	pprof      bool
	adminHosts []string
	peers      []string // at most one

	maxHeaders, maxHeaderKB int
	metadata                bool

	maxDecisions, maxConnections, maxMessageKB int
	firstMessage, maxConnectionAge, drainDelay time.Duration

	logFormat, logLevel string
}

// check returns a usage error that names every wrong flag.
func (f *serveFlags) check() error {
	const (
		most     = 1 << 20
		mostKB   = 64 << 10 // more than the largest piece of a body that Envoy sends
		shortest = 100 * time.Millisecond
	)
	errs := []error{f.rules.check()}
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	positive := func(flag string, n, most int) {
		require(0 < n && n <= most, "%s %d: expected 1 to %d", flag, n, most)
	}
	positive("--max-request-headers", f.maxHeaders, most)
	positive("--max-request-headers-kb", f.maxHeaderKB, mostKB)
	positive("--max-concurrent-decisions", f.maxDecisions, most)
	positive("--max-connections", f.maxConnections, most)
	positive("--max-message-kb", f.maxMessageKB, mostKB)
	require(f.maxMessageKB >= f.maxHeaderKB,
		"--max-message-kb %d: expected at least --max-request-headers-kb, which is %d: otherwise requests fail that the gateway accepts", f.maxMessageKB, f.maxHeaderKB)
	require(f.firstMessage >= shortest, "--first-message-timeout %v: expected %v or more", f.firstMessage, shortest)
	require(f.maxConnectionAge == 0 || f.maxConnectionAge >= shortest,
		"--max-connection-age %v: expected %v or more, or 0s for none", f.maxConnectionAge, shortest)
	if kube.IsReference(f.rulesFile) {
		_, err := kube.ParseReference(f.rulesFile)
		require(err == nil, "--rules %w", err)
	} else {
		require(f.rules.kubeconfig == "" && f.rulesFallback == "",
			"--kubeconfig, --rules-fallback: expected configmap://NAMESPACE/NAME at --rules: a file needs neither")
	}
	require(f.drainDelay >= 0, "--drain-delay %v: expected 0s or more", f.drainDelay)

	switch t := f.tls; {
	case t.Certificate != "" && t.Key == "":
		require(false, "--tls-cert: expected --tls-key beside it, the key of the certificate")
	case t.Certificate == "" && t.Key != "":
		require(false, "--tls-key: expected --tls-cert beside it, the certificate of the key")
	case t.Certificate == "" && t.ClientCA != "":
		require(false, "--tls-client-ca: expected --tls-cert and --tls-key beside it: clients show a certificate only to a server that has one")
	}
	require(f.tls == transport.CertificateFiles{} || slices.ContainsFunc(f.listen, isTCP),
		"--tls-cert, --tls-key, --tls-client-ca: expected a HOST:PORT among --listen: TLS is for TCP; --socket-mode says who may connect to a Unix socket")
	require(f.socketMode == fileMode(transport.DefaultSocketMode) || slices.ContainsFunc(f.addresses(), isUnix),
		"--socket-mode: expected a unix:///PATH at --listen or --admin: the flag is for Unix sockets; --tls-client-ca says who may connect over TCP")
	for i, address := range f.addresses() {
		require(strings.HasSuffix(address, ":0") || !slices.Contains(f.addresses()[:i], address),
			"--listen, --admin: %s appears twice: expected an address of its own for each", address)
	}
	for _, host := range f.adminHosts {
		require(hostName.MatchString(host), "--admin-host %q: expected a name, such as tagproc.example, without a scheme and a port", host)
	}
	require(len(f.adminHosts) == 0 || f.admin != "", "--admin-host: expected an address at --admin too")
	require(len(f.peers) < 2, "--peers: expected once, the name that stands for all replicas, such as that of a headless service")
	if len(f.peers) == 1 {
		_, err := fleet.NewPeers(f.peers[0])
		require(err == nil, "--peers: %w", err)
		require(f.admin != "", "--peers: expected an address at --admin too, where the page is")
	}
	require(!f.pprof || f.admin != "", "--pprof: expected an address at --admin too, which serves the profiles")
	_, err := newLogger(io.Discard, f.logFormat, f.logLevel)
	return errors.Join(append(errs, err)...)
}

// hostName matches the name of a host.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// addresses returns every address to listen on.
func (f *serveFlags) addresses() []string {
	if f.admin == "" {
		return f.listen
	}
	return append(slices.Clone(f.listen), f.admin)
}

// options returns what the flags say. They have been checked.
func (f *serveFlags) options(log *slog.Logger) serverOptions {
	return serverOptions{
		rulesFile:         f.rulesFile,
		kubeconfig:        f.rules.kubeconfig,
		rulesFallback:     f.rulesFallback,
		rules:             f.rules.options(),
		startWithoutRules: f.startWithoutRules,
		listen:            f.listen,
		socketMode:        fs.FileMode(f.socketMode),
		tls:               f.tls,
		admin:             f.admin,
		pprof:             f.pprof,
		adminHosts:        f.adminHosts,
		peers:             strings.Join(f.peers, ""),
		drainDelay:        f.drainDelay,
		transport: transport.Options{
			MaxConnections:   f.maxConnections,
			FirstMessage:     f.firstMessage,
			MaxMessageBytes:  f.maxMessageKB << 10,
			MaxConnectionAge: f.maxConnectionAge,
		},
		processor: processor.Options{
			Limits:     processor.Limits{MaxHeaders: f.maxHeaders, MaxHeaderBytes: f.maxHeaderKB << 10},
			MaxPending: f.maxDecisions,
			Metadata:   f.metadata,
		},
		log: log,
	}
}

func isUnix(address string) bool { return strings.HasPrefix(address, transport.UnixScheme) }

func isTCP(address string) bool { return !isUnix(address) }

// isLocal reports whether only this machine reaches an address.
func isLocal(address string) bool {
	if isUnix(address) {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "localhost" {
		return err == nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// fileMode is a flag with the permissions of a file.
type fileMode fs.FileMode

// String, Set and Type make fileMode a flag.
func (m *fileMode) String() string { return fmt.Sprintf("%04o", uint32(*m)) }

func (m *fileMode) Set(s string) error {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n == 0 || n > uint64(fs.ModePerm) {
		return errors.New("expected octal permissions such as 0660, up to 0777")
	}
	*m = fileMode(n)
	return nil
}

func (m *fileMode) Type() string { return "MODE" }
