package cluster

import (
	"errors"
	"fmt"
)

// Validate decodes streams of manifests strictly, checks the objects of Istio as its
// webhook does, with warnings being errors, and Deployments as a cluster here does.
// It returns every problem.
func Validate(manifests ...string) error {
	var errs []error
	for _, m := range manifests {
		objects, err := decode(m, "default")
		errs = append(errs, err)
		for _, o := range objects {
			if err := checkObject(o); err != nil {
				errs = append(errs, fmt.Errorf("%s in %q: %w", o, o.Namespace, err))
			}
		}
	}
	return errors.Join(errs...)
}
