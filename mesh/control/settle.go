package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/test/xds"
	"istio.io/istio/pkg/config/constants"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/test"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// settleLimit bounds how long Istio may take to translate routes. Only a machine that
// hardly runs meets it.
const settleLimit = 2 * time.Minute

// Settle waits until Istio has translated all routes of the Gateway API with all Services
// known, and has pushed that. It fails t with what is missing.
//
// Istio translates routes as soon as it knows any Service, and again when it knows more, at
// some time after a push. So all Services are pushed, then each route is moved in time, and
// Istio has settled when nothing that it has made of routes is of before. Which route goes
// first by its time stays as it is.
func Settle(t test.Failer, server *xds.FakeDiscoveryServer) {
	push(t, server)
	moved, err := moveRoutes(server)
	if err != nil {
		t.Fatal("couldn't have Istio translate routes again: ", err)
	}
	if len(moved) == 0 {
		return
	}
	for deadline := time.Now().Add(settleLimit); ; time.Sleep(5 * time.Millisecond) {
		left := unmoved(server, moved)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v Istio has not translated %s with all Services", settleLimit, strings.Join(left, ", "))
		}
	}
	push(t, server)
}

// push has Istio take up all that it knows.
func push(t test.Failer, server *xds.FakeDiscoveryServer) {
	server.Discovery.ConfigUpdate(&model.PushRequest{Forced: true})
	server.EnsureSynced(t)
}

// age is how far routes are moved: no route is as old as another one after that.
const age = 200 * 365 * 24 * time.Hour

// moveRoutes makes all routes younger, and returns when they are made now, in seconds.
func moveRoutes(server *xds.FakeDiscoveryServer) (map[int64]bool, error) {
	ctx, api := context.Background(), server.KubeClient().GatewayAPI().GatewayV1()
	http, errHTTP := api.HTTPRoutes("").List(ctx, metav1.ListOptions{})
	grpc, errGRPC := api.GRPCRoutes("").List(ctx, metav1.ListOptions{})
	tls, errTLS := api.TLSRoutes("").List(ctx, metav1.ListOptions{})
	if err := errors.Join(errHTTP, errGRPC, errTLS); err != nil {
		return nil, err
	}
	moved := map[int64]bool{}
	return moved, errors.Join(
		move(moved, http.Items, func(in string) updater[*gatewayv1.HTTPRoute] { return api.HTTPRoutes(in) }),
		move(moved, grpc.Items, func(in string) updater[*gatewayv1.GRPCRoute] { return api.GRPCRoutes(in) }),
		move(moved, tls.Items, func(in string) updater[*gatewayv1.TLSRoute] { return api.TLSRoutes(in) }),
	)
}

type updater[P any] interface {
	Update(ctx context.Context, route P, o metav1.UpdateOptions) (P, error)
}

func move[R any, P interface {
	*R
	metav1.Object
}](moved map[int64]bool, routes []R, of func(namespace string) updater[P],
) error {
	var errs []error
	for i := range routes {
		route := P(&routes[i])
		now := route.GetCreationTimestamp().Add(age)
		route.SetCreationTimestamp(metav1.NewTime(now))
		moved[now.Unix()] = true
		_, err := of(route.GetNamespace()).Update(context.Background(), route, metav1.UpdateOptions{})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// unmoved returns the routes that something is made of as they were before.
func unmoved(server *xds.FakeDiscoveryServer, moved map[int64]bool) (names []string) {
	for _, c := range server.Env().List(gvk.VirtualService, model.NamespaceAll) {
		if c.Annotations[constants.InternalRouteSemantics] != "" && !moved[c.CreationTimestamp.Unix()] {
			names = append(names, c.Annotations[constants.InternalParentNames])
		}
	}
	slices.Sort(names)
	return names
}
