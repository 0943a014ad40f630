// Command textbook is the server that tagproc is compared with: what one writes
// for ext_proc with grpc-go and the generated messages by Envoy's examples. It
// has one rule, in the code: FNV-1a of x-user-id modulo 100 gives the tag s2 below 20,
// else s1. Unlike tagproc, it counts nothing, reads no file and removes no forged tags.
package main

import (
	"context"
	"errors"
	"flag"
	"hash/fnv"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	var addresses []string
	flag.Func("listen", "`HOST:PORT` or unix:///PATH; repeatable", func(address string) error {
		addresses = append(addresses, address)
		return nil
	})
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serve(ctx, log, addresses)
	stop()
	if err != nil {
		log.Error(err.Error())
		os.Exit(1)
	}
}

func serve(ctx context.Context, log *slog.Logger, addresses []string) error {
	server := grpc.NewServer()
	extprocv3.RegisterExternalProcessorServer(server, &processor{})
	reflection.Register(server)

	group, ctx := errgroup.WithContext(ctx)
	for _, address := range addresses {
		network := "tcp"
		if path, isUnix := strings.CutPrefix(address, "unix://"); isUnix {
			network, address = "unix", path
		}
		listener, err := new(net.ListenConfig).Listen(ctx, network, address)
		if err != nil {
			return err
		}
		log.Info("listening", "address", listener.Addr().String())
		group.Go(func() error { return server.Serve(listener) })
	}
	group.Go(func() error {
		<-ctx.Done()
		server.Stop()
		return nil
	})
	return group.Wait()
}

type processor struct {
	extprocv3.UnimplementedExternalProcessorServer
}

// Process answers each message of a stream and waits for the next one, until
// Envoy ends the stream.
func (*processor) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) || status.Code(err) == codes.Canceled {
			return nil
		}
		if err != nil {
			return status.Errorf(codes.Unknown, "couldn't receive a request: %v", err)
		}
		response := &extprocv3.ProcessingResponse{}
		switch r := request.GetRequest().(type) {
		case *extprocv3.ProcessingRequest_RequestHeaders:
			response.Response = &extprocv3.ProcessingResponse_RequestHeaders{
				RequestHeaders: &extprocv3.HeadersResponse{Response: tag(r.RequestHeaders)},
			}
		default:
			return status.Errorf(codes.Unimplemented, "couldn't process %T: only request headers are expected", r)
		}
		if err := stream.Send(response); err != nil {
			return status.Errorf(codes.Unknown, "couldn't send a response: %v", err)
		}
	}
}

// tag returns the mutation for the user that the headers name.
func tag(headers *extprocv3.HttpHeaders) *extprocv3.CommonResponse {
	var user []byte
	for _, h := range headers.GetHeaders().GetHeaders() {
		if h.GetKey() == "x-user-id" {
			user = h.GetRawValue()
			break
		}
	}
	if len(user) == 0 {
		return &extprocv3.CommonResponse{}
	}
	hash := fnv.New32a()
	hash.Write(user)
	value := "s1"
	if hash.Sum32()%100 < 20 {
		value = "s2"
	}
	return &extprocv3.CommonResponse{
		HeaderMutation: &extprocv3.HeaderMutation{
			SetHeaders: []*corev3.HeaderValueOption{{
				Header:       &corev3.HeaderValue{Key: "x-asm-prefer-tag", RawValue: []byte(value)},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			}},
		},
		ClearRouteCache: true,
	}
}
