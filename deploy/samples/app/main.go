// Command app is the application of the samples: one hop of a chain of HTTP
// services that answers with the versions of all hops from it on. It listens on
// port 8000 and is told by its environment who it is:
//
//	app      its name, such as mocka
//	version  what it says of itself, such as v1
//	next     the URL of the next hop, such as http://mockb:8000; empty at the
//	         chain's end
//	forward  the headers that it sends to the next hop, and no others, separated by
//	         commas, such as baggage; a name that ends in * is the beginning of
//	         names. Empty: x-user-id,x-asm-prefer-tag,appver*
//
// It answers in one line, or as JSON to Accept: application/json:
//
//	-> mocka(version: v1, ip: 10.0.0.15)-> mockb(version: v1, ip: 10.0.0.130)
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tagproc/tagproc/internal/chain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and then until the requests in flight are answered.
func run(ctx context.Context) error {
	service, err := start(":8000", os.Getenv)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return service.Close()
}

// start runs the service that the environment describes.
func start(address string, getenv func(string) string) (*chain.Service, error) {
	var errs []error
	app, version := getenv("app"), getenv("version")
	for _, name := range []string{"app", "version"} {
		if getenv(name) == "" {
			errs = append(errs, fmt.Errorf("the environment has no %s: set it in the container's env", name))
		}
	}
	next, err := host(getenv("next"))
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	service, err := chain.Listen(address, app, version, next, forwarded(getenv("forward")))
	if err != nil {
		return nil, err
	}
	service.SetMesh(next)
	return service, nil
}
