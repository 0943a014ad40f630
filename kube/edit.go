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
	Reference Reference // with its key
	Text      []byte    // what they are now
	// Writers are the tools that have written the ConfigMap and may put back what they have,
	// such as Helm: words for people, in a fixed order.
	Writers []string

	client  *Client
	version string
}

// Edit reads the rules of a ConfigMap in order to replace them. It needs the rights get and
// list, and Replace also patch.
func (c *Client) Edit(ctx context.Context, r Reference) (*Edit, error) {
	o, _, err := c.list(ctx, r)
	if err != nil {
		return nil, errors.New(unreachable(err, "get, list and patch"))
	}
	found := r.contentOf(o)
	if found.failure != "" {
		return nil, errors.New(found.failure)
	}
	r.Key = found.key
	return &Edit{Reference: r, Text: []byte(found.text), Writers: o.writers(), client: c, version: o.Metadata.ResourceVersion}, nil
}

// Replace puts a text in the place of the rules, and leaves the rest of the ConfigMap as it
// is. [ErrConflict] says that somebody else wrote it since it was read.
func (e *Edit) Replace(ctx context.Context, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	response, err := e.client.do(ctx, http.MethodPatch, e.Reference.path()+"/"+e.Reference.Name, nil, "application/merge-patch+json", map[string]any{
		"metadata": map[string]any{"resourceVersion": e.version},
		"data":     map[string]string{e.Reference.Key: string(text)},
	})
	if err == nil {
		return response.Body.Close()
	}
	status, answered := errors.AsType[*statusError](err)
	switch {
	case isStatus(err, http.StatusConflict):
		return ErrConflict
	case isStatus(err, http.StatusNotFound):
		return errors.New("the ConfigMap has been deleted meanwhile; nothing is written")
	case isStatus(err, http.StatusForbidden):
		return errors.New(unreachable(err, "get, list and patch"))
	case !answered || status.code >= http.StatusInternalServerError:
		return fmt.Errorf("no answer of the API server says whether it is written: %w: look at it with tagproc rollout show before you run the command again", err)
	}
	return fmt.Errorf("nothing is written: %w", err)
}
