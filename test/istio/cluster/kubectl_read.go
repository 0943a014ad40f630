package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"

	"github.com/tagproc/tagproc/mesh/control"
)

// kinds are the names that kubectl takes for kinds, beside the kind itself and its
// plural.
var kinds = map[string]string{
	"svc": "Service", "deploy": "Deployment", "cm": "ConfigMap", "ns": "Namespace", "po": "Pod",
	"sa": "ServiceAccount", "hpa": "HorizontalPodAutoscaler", "pdb": "PodDisruptionBudget",
	"netpol": "NetworkPolicy", "networkpolicies": "NetworkPolicy",
	"vs": "VirtualService", "dr": "DestinationRule", "gw": "Gateway", "pa": "PeerAuthentication",
}

// is reports whether a kind is meant by one of its names.
func is(kind, name string) bool {
	name, _, _ = strings.Cut(strings.ToLower(name), ".")
	lower := strings.ToLower(kind)
	return kinds[name] == kind || name == lower || name == lower+"s" || name == lower+"es"
}

// keys resolves arguments such as `deployment a b` or `deployment/a`.
func (k *kubectl) keys(args []string) ([]control.Key, error) {
	var keys []control.Key
	kind := ""
	for i, arg := range args {
		name := arg
		if before, after, ok := strings.Cut(arg, "/"); ok {
			kind, name = before, after
		} else if i == 0 {
			kind = arg
			continue
		}
		found, err := k.find(kind, name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, found)
	}
	return keys, nil
}

func (k *kubectl) find(kind, name string) (control.Key, error) {
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	for one := range k.c.objects {
		if is(one.Kind, kind) && one.Name == name && (one.Namespace == k.namespace || one.Namespace == "") {
			return one, nil
		}
	}
	return control.Key{}, fmt.Errorf("%s %q not found in %q", kind, name, k.namespace)
}

func (k *kubectl) getCommand() *cobra.Command {
	var all bool
	var selector string
	cmd := &cobra.Command{Use: "get KIND [NAME]", Args: cobra.MinimumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if kind, name, ok := strings.Cut(args[0], "/"); ok {
			args = []string{kind, name}
		}
		if is("Pod", args[0]) {
			return k.getPods(cmd, args[1:], selector, all)
		}
		var found []control.Object
		k.c.mu.Lock()
		for _, o := range k.c.objects {
			if is(o.Kind, args[0]) && (all || o.Namespace == k.namespace || o.Namespace == "") && (len(args) == 1 || slices.Contains(args[1:], o.Name)) {
				if s := k.c.services[o.Key]; s != nil {
					o.Kube = s.object
				}
				found = append(found, o)
			}
		}
		k.c.mu.Unlock()
		if len(args) > 1 && len(found) < len(args)-1 {
			return fmt.Errorf("%s %q not found in %q", args[0], args[1:], k.namespace)
		}
		slices.SortFunc(found, func(a, b control.Object) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
		return k.print(cmd, found)
	}}
	cmd.Flags().StringVarP(&k.output, "output", "o", "", "")
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "")
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "")
	return cmd
}

func (k *kubectl) print(cmd *cobra.Command, found []control.Object) error {
	format, template, _ := strings.Cut(k.output, "=")
	table := newTable(cmd)
	for i, o := range found {
		content, err := o.Content()
		if err != nil {
			return err
		}
		switch format {
		case "yaml":
			if i > 0 {
				cmd.Println("---")
			}
			b, err := yaml.Marshal(content)
			if err != nil {
				return err
			}
			cmd.Print(string(b))
		case "json":
			b, err := json.MarshalIndent(content, "", "    ")
			if err != nil {
				return err
			}
			cmd.Println(string(b))
		case "name":
			cmd.Println(o.String())
		case "jsonpath":
			path := jsonpath.New("output")
			if err := path.Parse(template); err != nil {
				return err
			}
			if err := path.Execute(cmd.OutOrStdout(), content); err != nil {
				return err
			}
		case "", "wide":
			row(table, i == 0, o)
		default:
			return fmt.Errorf("-o %s is not played here", k.output)
		}
	}
	return table.Flush()
}

// newTable returns a table as kubectl prints one.
func newTable(cmd *cobra.Command) *tabwriter.Writer {
	return tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
}

// row writes a row of the table of a kind.
func row(table *tabwriter.Writer, first bool, o control.Object) {
	s, ok := o.Kube.(*corev1.Service)
	if !ok {
		if first {
			_, _ = fmt.Fprintln(table, "NAME")
		}
		_, _ = fmt.Fprintln(table, o.Name)
		return
	}
	if first {
		_, _ = fmt.Fprintln(table, "NAME\tTYPE\tCLUSTER-IP\tEXTERNAL-IP\tPORT(S)\tAGE")
	}
	external := "<none>"
	for _, in := range s.Status.LoadBalancer.Ingress {
		external = in.IP
	}
	var ports []string
	for _, p := range s.Spec.Ports {
		ports = append(ports, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
	}
	_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t1m\n", s.Name, s.Spec.Type, s.Spec.ClusterIP, external, strings.Join(ports, ","))
}

func (k *kubectl) getPods(cmd *cobra.Command, names []string, selector string, all bool) error {
	match, err := labels.Parse(selector)
	if err != nil {
		return err
	}
	table := newTable(cmd)
	if k.output != "" && k.output != "wide" && k.output != "name" {
		return fmt.Errorf("-o %s of pods is not played here", k.output)
	}
	k.c.mu.Lock()
	defer k.c.mu.Unlock()
	for i, p := range k.c.pods {
		if !all && p.namespace() != k.namespace || len(names) > 0 && !slices.Contains(names, p.name) || !match.Matches(labels.Set(p.labels)) {
			continue
		}
		ready, want, status := 0, 0, "Running"
		p.mu.Lock()
		for _, c := range p.containers {
			want++
			if c.isReady() {
				ready++
			}
		}
		if p.stopped {
			status = "Terminating"
		}
		p.mu.Unlock()
		if k.output == "name" {
			_, _ = fmt.Fprintln(table, "pod/"+p.name)
			continue
		}
		if i == 0 {
			_, _ = fmt.Fprintln(table, "NAME\tREADY\tSTATUS\tRESTARTS\tAGE")
		}
		_, _ = fmt.Fprintf(table, "%s\t%d/%d\t%s\t0\t1m\n", p.name, ready, want, status)
	}
	return table.Flush()
}
