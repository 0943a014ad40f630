package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// ErrConflict is the error of [Edit.Replace] where the ConfigMap is no longer what it was.
var ErrConflict = errors.New("the ConfigMap has changed meanwhile; nothing is written, so run the command again")

// An Edit is the rules of a ConfigMap that are to be replaced.
type Edit struct {
	Text []byte // what they are now

	client    *Client
	reference Reference
	key       string
	version   string
}

// Edit reads the rules of a ConfigMap in order to replace them.
func (c *Client) Edit(ctx context.Context, r Reference) (*Edit, error) {
	o, _, err := c.list(ctx, r)
	if err != nil {
		return nil, errors.New(unreachable(err))
	}
	found := r.contentOf(o)
	if found.failure != "" {
		return nil, fmt.Errorf("%s %s", r, found.failure)
	}
	return &Edit{Text: []byte(found.text), client: c, reference: r, key: found.key, version: o.Metadata.ResourceVersion}, nil
}

// Replace puts a text in the place of the rules, and leaves the rest of the ConfigMap as it
// is. [ErrConflict] says that somebody else wrote it since it was read.
func (e *Edit) Replace(ctx context.Context, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	response, err := e.client.do(ctx, http.MethodPatch, e.reference.path()+"/"+e.reference.Name, nil, "application/merge-patch+json", map[string]any{
		"metadata": map[string]any{"resourceVersion": e.version},
		"data":     map[string]string{e.key: string(text)},
	})
	switch {
	case isStatus(err, http.StatusConflict):
		return fmt.Errorf("%s: %w", e.reference, ErrConflict)
	case isStatus(err, http.StatusForbidden):
		return fmt.Errorf("%s: %w: who edits needs the right to patch it", e.reference, err)
	case err != nil:
		return fmt.Errorf("couldn't write %s: %w", e.reference, err)
	}
	return response.Body.Close()
}
