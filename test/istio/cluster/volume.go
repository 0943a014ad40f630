package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"

	spec "github.com/tagproc/tagproc/internal/container"
	"github.com/tagproc/tagproc/mesh/control"
)

// mountVolumes makes the pod's volumes, and waits for the ConfigMaps that they need.
func (p *pod) mountVolumes() error {
	for i := range p.spec.Volumes {
		v := &p.spec.Volumes[i]
		dir := filepath.Join(p.dir, "volumes", v.Name)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
		if v.ConfigMap == nil {
			continue
		}
		found, err := p.tryMount(v, dir)
		for ; err == nil && !found; found, err = p.tryMount(v, dir) {
			select {
			case <-p.stop:
				return errEnding
			case <-time.After(poll):
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tryMount writes a ConfigMap into a volume, if there is one, or if the volume does
// without.
func (p *pod) tryMount(v *corev1.Volume, dir string) (bool, error) {
	// As long as it is locked no change of the ConfigMap can be missed.
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	o, ok := p.c.objects[control.Key{Kind: "ConfigMap", Namespace: p.namespace(), Name: v.ConfigMap.Name}]
	if !ok {
		return v.ConfigMap.Optional != nil && *v.ConfigMap.Optional, nil
	}
	return true, writeVolume(dir, v.ConfigMap, o.Kube.(*corev1.ConfigMap))
}

// updateVolumes writes a ConfigMap that has changed into the volumes that have it.
func (p *pod) updateVolumes(m *corev1.ConfigMap) []error {
	if m.Namespace != p.namespace() || p.ending() {
		return nil
	}
	var errs []error
	for i := range p.spec.Volumes {
		v := &p.spec.Volumes[i]
		if v.ConfigMap == nil || v.ConfigMap.Name != m.Name {
			continue
		}
		dir := filepath.Join(p.dir, "volumes", v.Name)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue // it will be written when it is made
		}
		if err := writeVolume(dir, v.ConfigMap, m); err != nil {
			errs = append(errs, fmt.Errorf("couldn't update volume %q of pod %q: %w", v.Name, p.name, err))
		}
	}
	return errs
}

// writeVolume replaces what a volume holds by what is in a ConfigMap.
func writeVolume(dir string, source *corev1.ConfigMapVolumeSource, m *corev1.ConfigMap) error {
	files := map[string][]byte{}
	for name, text := range m.Data {
		files[name] = []byte(text)
	}
	maps.Copy(files, m.BinaryData)
	if len(source.Items) > 0 {
		all := files
		files = map[string][]byte{}
		for _, item := range source.Items {
			content, ok := all[item.Key]
			if !ok {
				return fmt.Errorf("the ConfigMap %q has no key %q", m.Name, item.Key)
			}
			files[item.Path] = content
		}
	}
	return spec.WriteVolume(dir, files)
}

// volume is the directory that a container mounts, or with subPath the file as it is
// now: it is never updated.
func (p *pod) volume(m corev1.VolumeMount) (string, error) {
	if m.SubPathExpr != "" {
		return "", fmt.Errorf("volumeMounts %s: subPathExpr is not played here", m.MountPath)
	}
	return filepath.EvalSymlinks(filepath.Join(p.dir, "volumes", m.Name, m.SubPath))
}
