package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/tagproc/tagproc/mesh/control"
)

// setCommand is `kubectl set env deployment/NAME… NAME=VALUE…`, of every container.
func (k *kubectl) setCommand() *cobra.Command {
	set := &cobra.Command{Use: "set"}
	set.AddCommand(&cobra.Command{Use: "env", Args: cobra.MinimumNArgs(2), RunE: func(cmd *cobra.Command, args []string) error {
		i := slices.IndexFunc(args, func(arg string) bool { return strings.Contains(arg, "=") })
		if i < 1 {
			return fmt.Errorf("want objects and then NAME=VALUE, not %q", args)
		}
		keys, err := k.keys(args[:i])
		if err != nil {
			return err
		}
		var env []map[string]string
		for _, arg := range args[i:] {
			name, value, _ := strings.Cut(arg, "=")
			env = append(env, map[string]string{"name": name, "value": value})
		}
		for _, one := range keys {
			if err := k.c.setEnv(one, env); err != nil {
				return err
			}
			cmd.Printf("%s env updated\n", one)
		}
		return nil
	}})
	return set
}

// setEnv sets variables in every container of a Deployment's pods.
func (c *Cluster) setEnv(k control.Key, env []map[string]string) error {
	o, err := c.get(k)
	if err != nil {
		return err
	}
	d, ok := o.Kube.(*appsv1.Deployment)
	if !ok {
		return fmt.Errorf("%s is no Deployment", k)
	}
	var containers []map[string]any
	for _, one := range d.Spec.Template.Spec.Containers {
		containers = append(containers, map[string]any{"name": one.Name, "env": env})
	}
	template := map[string]any{"spec": map[string]any{"containers": containers}}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": template}})
	if err != nil {
		return err
	}
	return c.patch(k, patch)
}
