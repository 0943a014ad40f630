package gateway

import (
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	socket := func(s string) func(*Options) { return func(o *Options) { o.Address = s } }
	labels := func(ls ...string) func(*Options) { return func(o *Options) { o.Gateway = ls } }
	target := func(s string) func(*Options) { return func(o *Options) { o.Gateway, o.Target = nil, s } }
	const anAddress = "expected unix:///PATH, or SERVICE.NAMESPACE:PORT"
	for _, c := range []struct {
		name    string
		options func(*Options)
		want    string // "": it is right; else what the error begins with
	}{
		{"as they are", func(*Options) {}, ""},
		{"service", socket("tagproc.istio-system:9002"), ""},
		{"service, whole", socket("tagproc.istio-system.svc.cluster.local:9002"), ""},
		{"service, svc", socket("tagproc.istio-system.svc:9002"), `--address "tagproc.istio-system.svc:9002": ` + anAddress},
		{"service, no namespace", socket("tagproc:9002"), `--address "tagproc:9002": ` + anAddress},
		{"service, no port", socket("tagproc.istio-system"), `--address "tagproc.istio-system": ` + anAddress},
		{"service, port 0", socket("a.b:0"), `--address "a.b:0": ` + anAddress},
		{"service, port too large", socket("a.b:65536"), `--address "a.b:65536": ` + anAddress},
		{"service, named port", socket("a.b:grpc"), `--address "a.b:grpc": ` + anAddress},
		{"IP", socket("10.0.0.1:9002"), `--address "10.0.0.1:9002": ` + anAddress},
		{"IPv6", socket("[::1]:9002"), `--address "[::1]:9002": ` + anAddress},
		{"host", socket("tagproc.example.org:9002"), `--address "tagproc.example.org:9002": ` + anAddress},
		{"upper case", socket("Tagproc.b:1"), `--address "Tagproc.b:1": ` + anAddress},
		{"pipe", socket("a|b.c:1"), `--address "a|b.c:1": ` + anAddress},
		{"no address", socket(""), `--address "": ` + anAddress},
		{"relative socket", socket("unix://run/x.sock"), `--address "unix://run/x.sock": expected unix:// and an absolute path`},
		{"no socket", socket("unix://"), `--address "unix://": expected unix:// and an absolute path`},
		{"root", socket("unix:///"), `--address "unix:///": expected unix:// and an absolute path`},
		{"dots", socket("unix:///run/../x"), `--address "unix:///run/../x": expected unix:// and an absolute path`},
		{"long socket", socket("unix:///" + strings.Repeat("x", 107)), `--address "unix:///xxxx`},
		{"longest socket", socket("unix:///" + strings.Repeat("x", 106)), ""},

		{"labels", labels("istio=ingressgateway", "example.org/a_b=C.d", "empty="), ""},
		{"no label", labels(), "--gateway: expected a label"},
		{"no value", labels("istio"), `--gateway "istio": expected a label`},
		{"no key", labels("=x"), `--gateway "=x": expected a label`},
		{"twice", labels("a=b", "a=c"), `--gateway "a=c": expected a label`},
		{"odd label", labels("a b=c"), `--gateway "a b=c": expected a label`},
		{"odd domain", labels("A_/b=c"), `--gateway "A_/b=c": expected a label`},
		{"odd value", labels("a=b/c"), `--gateway "a=b/c": expected a label`},
		{"long value", labels("a=" + strings.Repeat("x", 64)), `--gateway "a=xxx`},

		{"target", target("gateway/shop"), ""},
		{"waypoint", target("waypoint/shop.a"), ""},
		{"target, no kind", target("shop"), `--target "shop": expected gateway/NAME or waypoint/NAME`},
		{"target, another kind", target("service/shop"), `--target "service/shop": expected gateway/NAME or waypoint/NAME`},
		{"target, no name", target("gateway/"), `--target "gateway/": expected gateway/NAME or waypoint/NAME`},
		{"target, odd name", target("gateway/a/b"), `--target "gateway/a/b": expected gateway/NAME or waypoint/NAME`},
		{"target and labels", func(o *Options) { o.Target = "gateway/shop" }, "--gateway: expected no label beside --target"},

		{"phase", func(o *Options) { o.Phase = "stats" }, `--phase "stats": expected router or authn`},
		{"no time", func(o *Options) { o.Timeout = 0 }, "--timeout 0s: expected 1ms to 1m"},
		{"long time", func(o *Options) { o.Timeout = time.Hour }, "--timeout 1h0m0s: expected 1ms to 1m"},
		{"name", func(o *Options) { o.Name = "../x" }, `--name "../x": expected the name of an object`},
		{"namespace", func(o *Options) { o.Namespace = "a.b" }, `--namespace "a.b": expected the name of a namespace`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := options()
			c.options(&o)
			err := o.Check()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("Check() = %v, want no error", err)
			case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
				t.Errorf("Check() = %v, want an error that begins with %q", err, c.want)
			case c.want == "":
				decode(t, render(t, load(t, lanes), o))
			}
		})
	}
}

// Everything that is wrong is said at once.
func TestCheckAll(t *testing.T) {
	t.Parallel()
	_, err := EnvoyFilter(load(t, lanes), Options{})
	if err == nil {
		t.Fatal("EnvoyFilter takes options that say nothing")
	}
	for _, flag := range []string{"--name", "--namespace", "--gateway", "--address", "--phase", "--timeout", "--data-path"} {
		if !strings.Contains("\n"+err.Error(), "\n"+flag) {
			t.Errorf("EnvoyFilter = %v, want an error about %s too", err, flag)
		}
	}
}
