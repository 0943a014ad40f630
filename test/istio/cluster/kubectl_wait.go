package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (k *kubectl) rolloutCommand() *cobra.Command {
	rollout := &cobra.Command{Use: "rollout"}
	var timeout time.Duration
	status := &cobra.Command{Use: "status", Args: cobra.MinimumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		keys, err := k.keys(args)
		if err != nil {
			return err
		}
		for _, one := range keys {
			if err := k.c.wait(func() error { return k.c.rolledOut(one) }); err != nil {
				return err
			}
			cmd.Printf("deployment %q successfully rolled out\n", one.Name)
		}
		return nil
	}}
	status.Flags().DurationVar(&timeout, "timeout", 0, "") // that of the cluster bounds every wait
	restart := &cobra.Command{Use: "restart", Args: cobra.MinimumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		keys, err := k.keys(args)
		if err != nil {
			return err
		}
		for _, one := range keys {
			if err := k.c.restart(one); err != nil {
				return err
			}
			cmd.Printf("%s restarted\n", one)
		}
		return nil
	}}
	rollout.AddCommand(status, restart)
	return rollout
}

// waitCommand waits for Deployments to be available.
func (k *kubectl) waitCommand() *cobra.Command {
	var condition string
	var timeout time.Duration
	var all bool
	cmd := &cobra.Command{Use: "wait", RunE: func(cmd *cobra.Command, args []string) error {
		if !strings.EqualFold(condition, "condition=available") {
			return fmt.Errorf("--for=%s is not played here: condition=Available is", condition)
		}
		keys, err := k.keys(args)
		if err != nil {
			return err
		}
		if all {
			k.c.mu.Lock()
			for one := range k.c.objects {
				if one.Kind == "Deployment" && one.Namespace == k.namespace {
					keys = append(keys, one)
				}
			}
			k.c.mu.Unlock()
		}
		if len(keys) == 0 {
			return errors.New("no resources found")
		}
		for _, one := range keys {
			if err := k.c.wait(func() error { return k.c.rolledOut(one) }); err != nil {
				return err
			}
			cmd.Printf("%s condition met\n", one)
		}
		return nil
	}}
	cmd.Flags().StringVar(&condition, "for", "", "")
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "") // as that of rollout status
	cmd.Flags().BoolVar(&all, "all", false, "")
	return cmd
}

func (k *kubectl) logsCommand() *cobra.Command {
	var name string
	var lines int
	var since time.Duration
	cmd := &cobra.Command{Use: "logs", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		one, err := k.container(args[0], name)
		if err != nil {
			return err
		}
		all := slices.Collect(strings.Lines(one.log.String()))
		if lines >= 0 && len(all) > lines {
			all = all[len(all)-lines:]
		}
		cmd.Print(strings.Join(all, ""))
		return nil
	}}
	cmd.Flags().StringVarP(&name, "container", "c", "", "")
	cmd.Flags().IntVar(&lines, "tail", -1, "")
	cmd.Flags().DurationVar(&since, "since", 0, "") // pods of a test are young: everything is new
	return cmd
}

// container is that of pod/NAME, or of the oldest pod of deployment/NAME.
func (k *kubectl) container(of, name string) (*container, error) {
	if pod, ok := strings.CutPrefix(of, "pod/"); ok {
		return k.c.container(k.namespace, pod, name)
	}
	keys, err := k.keys([]string{of})
	if err != nil {
		return nil, err
	}
	if len(keys) != 1 {
		return nil, errors.New("logs are played for pod/NAME and deployment/NAME")
	}
	found, err := k.c.find(keys[0], name)
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

func (k *kubectl) kustomizeCommand() *cobra.Command {
	return &cobra.Command{Use: "kustomize DIR", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		manifests, err := kustomize(k.path(args[0]))
		cmd.Print(manifests)
		return err
	}}
}
