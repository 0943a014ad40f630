package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"github.com/tagproc/tagproc/mesh/control"
)

func (k *kubectl) applyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "apply", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		stream, err := k.manifests()
		if err != nil {
			return err
		}
		said, err := k.c.tryApply(stream, k.namespace)
		printAll(cmd, said, "")
		return err
	}}
	k.sources(cmd)
	return cmd
}

func (k *kubectl) deleteCommand() *cobra.Command {
	var ignore bool
	cmd := &cobra.Command{Use: "delete", RunE: func(cmd *cobra.Command, args []string) error {
		var keys []control.Key
		if len(args) == 0 {
			stream, err := k.manifests()
			if err != nil {
				return err
			}
			objects, err := decode(stream, k.namespace)
			if err != nil {
				return err
			}
			for _, o := range objects {
				keys = append(keys, o.Key)
			}
		}
		named, err := k.keys(args)
		if err != nil {
			return err
		}
		var errs []error
		for _, one := range append(keys, named...) {
			if err := k.c.delete(one); err == nil {
				cmd.Printf("%s deleted\n", one)
			} else if !ignore {
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}}
	k.sources(cmd)
	cmd.Flags().BoolVar(&ignore, "ignore-not-found", false, "")
	return cmd
}

func (k *kubectl) createCommand() *cobra.Command {
	create := &cobra.Command{Use: "create"}
	namespace := &cobra.Command{Use: "namespace NAME", Aliases: []string{"ns"}, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		return k.create(cmd, &corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: args[0]},
		}, "")
	}}
	var files, literals []string
	var dryRun string
	configMap := &cobra.Command{Use: "configmap NAME", Aliases: []string{"cm"}, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		m := &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Name: args[0], Namespace: k.namespace},
			Data:       map[string]string{},
		}
		for _, file := range files {
			name, path, ok := strings.Cut(file, "=")
			if !ok {
				name, path = filepath.Base(file), file
			}
			content, err := k.read(path)
			if err != nil {
				return err
			}
			m.Data[name] = string(content)
		}
		for _, literal := range literals {
			name, value, _ := strings.Cut(literal, "=")
			m.Data[name] = value
		}
		return k.create(cmd, m, dryRun)
	}}
	configMap.Flags().StringSliceVar(&files, "from-file", nil, "")
	configMap.Flags().StringSliceVar(&literals, "from-literal", nil, "")
	configMap.Flags().StringVar(&dryRun, "dry-run", "none", "")
	configMap.Flags().StringVarP(&k.output, "output", "o", "", "")
	create.AddCommand(namespace, configMap)
	return create
}

// create applies an object, or prints it if it is a dry run.
func (k *kubectl) create(cmd *cobra.Command, o any, dryRun string) error {
	b, err := yaml.Marshal(o)
	if err != nil {
		return err
	}
	if dryRun == "client" {
		if k.output != "yaml" {
			return errors.New("--dry-run=client is played with -o yaml")
		}
		cmd.Print(string(b))
		return nil
	}
	said, err := k.c.tryApply(string(b), k.namespace)
	printAll(cmd, said, "")
	return err
}

func (k *kubectl) scaleCommand() *cobra.Command {
	var replicas int32
	cmd := &cobra.Command{Use: "scale", RunE: func(cmd *cobra.Command, args []string) error {
		keys, err := k.keys(args)
		if err != nil {
			return err
		}
		for _, one := range keys {
			if err := k.c.scale(one, replicas); err != nil {
				return err
			}
			cmd.Printf("%s scaled\n", one)
		}
		return nil
	}}
	cmd.Flags().Int32Var(&replicas, "replicas", -1, "")
	_ = cmd.MarkFlagRequired("replicas") // it is there
	return cmd
}

func (k *kubectl) labelCommand() *cobra.Command {
	var overwrite bool
	cmd := &cobra.Command{Use: "label namespace NAME LABEL=VALUE", Args: cobra.MinimumNArgs(3), RunE: func(cmd *cobra.Command, args []string) error {
		keys, err := k.keys(args[:2])
		if err != nil {
			return err
		}
		labels := map[string]any{}
		for _, arg := range args[2:] {
			if name, value, ok := strings.Cut(arg, "="); ok {
				labels[name] = value
			} else {
				labels[strings.TrimSuffix(arg, "-")] = nil
			}
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels}})
		if err != nil {
			return err
		}
		if err := k.c.patch(keys[0], patch); err != nil {
			return err
		}
		cmd.Printf("%s labeled\n", keys[0])
		return nil
	}}
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "") // which is what happens
	return cmd
}

func (k *kubectl) patchCommand() *cobra.Command {
	var patch, file string
	cmd := &cobra.Command{Use: "patch", RunE: func(cmd *cobra.Command, args []string) error {
		keys, err := k.keys(args)
		if err != nil {
			return err
		}
		if file != "" {
			content, err := k.read(file)
			if err != nil {
				return err
			}
			patch = string(content)
		}
		js, err := yaml.YAMLToJSON([]byte(patch))
		if err != nil {
			return err
		}
		for _, one := range keys {
			if err := k.c.patch(one, js); err != nil {
				return err
			}
			cmd.Printf("%s patched\n", one)
		}
		return nil
	}}
	cmd.Flags().StringVarP(&patch, "patch", "p", "", "")
	cmd.Flags().StringVar(&file, "patch-file", "", "")
	return cmd
}

// patch changes an object of Kubernetes by a strategic merge patch.
func (c *Cluster) patch(k control.Key, patch []byte) error {
	o, err := c.get(k)
	if err != nil {
		return err
	}
	if o.Kube == nil {
		return fmt.Errorf("%s: only objects of Kubernetes are patched here", k)
	}
	before, err := json.Marshal(o.Kube)
	if err != nil {
		return err
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, o.Kube)
	if err != nil {
		return err
	}
	_, err = c.tryApply(string(after), k.Namespace)
	return err
}

// restart has a Deployment replace its pods.
func (c *Cluster) restart(k control.Key) error {
	if k != deployment(k.Namespace, k.Name) {
		return fmt.Errorf("%s is no Deployment", k)
	}
	return c.patch(k, fmt.Appendf(nil, `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":%q}}}}}`,
		time.Now().Format(time.RFC3339Nano)))
}
