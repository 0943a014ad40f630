package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tagproc/tagproc/envoyconf"
	"github.com/tagproc/tagproc/explain"
	"github.com/tagproc/tagproc/rules"
	"github.com/tagproc/tagproc/source"
	"github.com/tagproc/tagproc/trace"
)

func newTraceCommand() *cobra.Command {
	var (
		flags   rulesFlags
		out     output
		file    string
		envoys  []string
		headers []string
		want    string
		at      string
	)
	cmd := &cobra.Command{
		Use:   "trace --envoy FILE|ADDR... [--rules FILE] -H 'NAME: VALUE'...",
		Short: "Say where Envoys send a request, and why",
		Long: `Say for each Envoy which virtual host and route take a request, to which cluster it
goes, and why no route before takes it. With rules, tagproc decides where a
listener asks it, by what Envoy sends, and only what Envoy lets it change counts.

--envoy is a bootstrap, what /config_dump of the admin port returned, or files of
listeners, route configurations and clusters in one; or the address of a live
admin port. Several are hops, in the order given. HOST= before it is the host that
the hop is asked for, and @LISTENER behind it names one of several listeners.
Applications are taken to forward all headers from hop to hop.

What the model does not know, or is up to chance, is said ("open"), and not
guessed. docs/envoy.md lists the fields of -o json.

The exit code is 0, 1 if a file is refused or the last cluster is not, or not for
sure, that of --want, and 2 if the command is not understood.`,
		Example: `  tagproc trace --envoy envoy.yaml --rules rules.yaml -H 'x-user-id: jack'
  tagproc trace --envoy 127.0.0.1:9901 --rules rules.yaml -H ':authority: shop.example.com' -H ':path: /cart' -H 'x-user-id: jack'
  tagproc trace --envoy envoy.yaml@ingress --envoy mockc=envoy.yaml@mesh --rules rules.yaml -H 'x-user-id: jack' --want mockc-canary
  istioctl proxy-config all POD -o json > pod.json; tagproc trace --envoy pod.json@0.0.0.0_8080 -H ':authority: mockc' -H 'x-asm-prefer-tag: s2'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			given, err := parseHeaders(headers)
			if err != nil {
				return err
			}
			instant, err := parseInstant(at)
			if err != nil {
				return err
			}
			if len(envoys) == 0 {
				return errors.New("expected --envoy FILE, a configuration of Envoy, or the address of its admin port")
			}
			var stops []trace.Stop
			configs := map[string]*envoyconf.Config{}
			for _, arg := range envoys {
				s, err := readStop(cmd, arg, configs)
				if err != nil {
					return err
				}
				stops = append(stops, *s)
			}
			var table *rules.Table
			if file != "" {
				if table, err = usableRules(cmd, &flags, file, exitProblems); err != nil {
					return err
				}
				table, _ = table.At(instant)
				for _, hint := range explain.Hints(table, given) {
					stderr(cmd).Printf("warning: %s\n", hint)
				}
			}
			way := trace.Run(stops, table, requestOf(given))
			if out == outputJSON {
				err = stdout(cmd).JSON(way)
			} else {
				err = trace.WriteText(stdout(cmd), way)
			}
			if err != nil {
				return fail(err)
			}
			return checkCluster(cmd, way, want)
		},
	}
	cmd.Flags().StringArrayVar(&envoys, "envoy", nil, "configuration of an Envoy, or the address of its admin port, as `[HOST=]FILE[@LISTENER]`; repeatable (required)")
	cmd.Flags().StringVar(&file, "rules", "", "rules `FILE`, or a manifest with rules")
	must(cmd.MarkFlagFilename("rules", manifestExtensions...))
	cmd.Flags().StringArrayVarP(&headers, "header", "H", nil, "header of the request, as `'NAME: VALUE'`, :authority, :path, :method and :scheme among them; repeatable")
	cmd.Flags().StringVar(&want, "want", "", "expected `CLUSTER` of the last hop")
	cmd.Flags().StringVar(&at, "at", "", "`INSTANT` to decide at where rules have ramps, such as 2026-12-01T10:00:00Z (default now)")
	flags.addTo(cmd)
	out.addTo(cmd)
	check(cmd, flags.check)
	return cmd
}

// requestOf returns the request with headers, pseudo-headers among them.
func requestOf(headers []explain.Header) envoyconf.Request {
	r := envoyconf.Request{Path: "/"}
	for _, h := range headers {
		switch name := strings.ToLower(h.Name); name {
		case ":authority", "host":
			r.Authority = h.Value
		case ":path":
			r.Path = h.Value
		case ":method":
			r.Method = h.Value
		case ":scheme":
			r.Scheme = h.Value
		default:
			r.Headers = append(r.Headers, envoyconf.Header{Name: name, Value: h.Value})
		}
	}
	return r
}

// readStop reads [HOST=]FILE[@LISTENER]: the names of files may have both characters. It
// keeps configurations in read, by file.
func readStop(cmd *cobra.Command, arg string, read map[string]*envoyconf.Config) (*trace.Stop, error) {
	name, s := arg, &trace.Stop{Name: arg}
	listener := ""
	if i := strings.IndexByte(name, '='); i >= 0 && !exists(name) {
		s.Host, name = name[:i], name[i+1:]
		s.Name = s.Host
	}
	if i := strings.LastIndexByte(name, '@'); i >= 0 && !exists(name) {
		name, listener = name[:i], name[i+1:]
	}
	if read[name] == nil {
		config, err := readConfig(cmd, name)
		if err != nil {
			return nil, err
		}
		read[name] = config
	}
	s.Config = read[name]
	var names []string
	for _, l := range s.Config.Listeners {
		switch {
		case listener == "" && !slices.ContainsFunc(l.Chains, func(c *envoyconf.Chain) bool { return c.HTTP != nil }):
		case listener == "" || l.GetName() == listener:
			names = append(names, l.GetName())
			s.Listener = l
		}
	}
	if len(names) == 1 {
		return s, nil
	}
	if listener == "" && len(names) > 1 {
		return nil, fmt.Errorf("--envoy %s: it has the listeners %s; name one, as --envoy %s@%s", arg, strings.Join(names, ", "), arg, names[0])
	}
	names = nil
	for _, l := range s.Config.Listeners {
		names = append(names, l.GetName())
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("--envoy %s: it has no listener", arg)
	}
	return nil, fmt.Errorf("--envoy %s: it has no listener %q for HTTP; expected one of %s", arg, listener, strings.Join(names, ", "))
}

// readConfig reads a file, or asks an admin port, and writes what is wrong.
func readConfig(cmd *cobra.Command, name string) (*envoyconf.Config, error) {
	src, wrong := readEnvoy(cmd, name)
	if wrong != nil {
		writeProblems(stderr(cmd), source.Problems{*wrong})
		return nil, &failure{}
	}
	docs, problems := source.Documents(name, src, source.MaxFileSize)
	config, more := envoyconf.Read(docs)
	problems = append(problems, more...)
	writeProblems(stderr(cmd), problems)
	if problems.Err() != nil {
		return nil, &failure{}
	}
	return config, nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// dumpLimit bounds how long a live Envoy may take to say its configuration.
const dumpLimit = 30 * time.Second

// readEnvoy returns the content of a file, or what the admin port at an address returns.
func readEnvoy(cmd *cobra.Command, name string) ([]byte, *source.Problem) {
	addr := strings.TrimSuffix(strings.TrimPrefix(name, "http://"), "/")
	if _, _, err := net.SplitHostPort(addr); err != nil || exists(name) {
		return read(cmd, name, source.MaxFileSize)
	}
	src, err := configDump(cmd.Context(), addr)
	if err != nil {
		return nil, &source.Problem{File: name, Kind: source.KindUnreadable, Message: "couldn't ask the admin port of Envoy: " + err.Error()}
	}
	return src, nil
}

// configDump returns the configuration of the Envoy whose admin port is at addr.
func configDump(ctx context.Context, addr string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, dumpLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/config_dump", nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s to GET /config_dump; is this the admin port?", response.Status)
	}
	return io.ReadAll(io.LimitReader(response.Body, source.MaxFileSize+1))
}

// checkCluster compares where the last hop sends the request with what is wanted.
func checkCluster(cmd *cobra.Command, w *trace.Way, want string) error {
	if want == "" {
		return nil
	}
	last := w.Hops[len(w.Hops)-1]
	var got []string
	for _, c := range last.Clusters {
		got = append(got, c.Name)
	}
	is := "no cluster"
	if len(got) > 0 {
		is = strings.Join(got, " or ")
	}
	switch {
	case len(got) != 1 || got[0] != want:
		stderr(cmd).Printf("the cluster of %s is %s, want %s\n", last.Name, is, want)
	case !w.Certain():
		stderr(cmd).Printf("the cluster of %s is %s, but not for sure\n", last.Name, is)
	case last.Clusters[0].Missing:
		stderr(cmd).Printf("the cluster %s is not configured\n", is)
	default:
		return nil
	}
	return &failure{}
}
