package envoy

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
)

func TestTemplate(t *testing.T) {
	t.Parallel()
	const config = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
a: &a # an anchor and its alias are one place
  socket_address:
    port_value: 9002 # the port
b: *a
c: [{pipe: {path: /run/one.sock}}, {pipe: {path: /run/other.sock, mode: 384}}]
path: /run/one.sock
other: 9901
text: "port_value: 9901"
`
	const want = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
a: {socket_address: {port_value: 7}}
b: {socket_address: {port_value: 7}}
c: [{pipe: {path: "/tmp/a: b"}}, {pipe: {path: /run/other.sock, mode: 384}}]
path: /run/one.sock
other: 9901
text: "port_value: 9901"
`
	got, err := Template(config, map[int]int{9901: 0, 9002: 7}, map[string]string{"/run/one.sock": "/tmp/a: b"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decode(t, want), decode(t, string(got))); diff != "" {
		t.Errorf("Template (-want +got):\n%s", diff)
	}
}

// Two ports that swap must not be taken for each other.
func TestTemplateReplacesOnce(t *testing.T) {
	t.Parallel()
	got, err := Template("[{port_value: 1}, {port_value: 2}]", map[int]int{1: 2, 2: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decode(t, "[{port_value: 2}, {port_value: 1}]"), decode(t, string(got))); diff != "" {
		t.Errorf("Template (-want +got):\n%s", diff)
	}
}

func TestTemplateChangesNothingElse(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"envoy.yaml", "envoy-unix.yaml"} {
		config, err := os.ReadFile("../../deploy/envoy/" + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Template(string(config), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(decode(t, string(config)), decode(t, string(got))); diff != "" {
			t.Errorf("Template(%s) without entries (-want +got):\n%s", name, diff)
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, config, want string
		ports              map[int]int
		paths              map[string]string
	}{
		{
			name: "unused entries", config: "a: {port_value: 1}\n",
			ports: map[int]int{1: 2, 3: 4, 2: 5}, paths: map[string]string{"/x": "/y"},
			want: "the Envoy configuration has no `port_value: 2` to replace\n" +
				"the Envoy configuration has no `port_value: 3` to replace\n" +
				"the Envoy configuration has no `pipe: {path: /x}` to replace",
		},
		{
			name: "odd values", config: "{port_value: [1], pipe: 1, x: {pipe: {path: {}}}, y: {port_value: a}}", ports: map[int]int{1: 2},
			want: "the Envoy configuration has no `port_value: 1` to replace",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Template(tt.config, tt.ports, tt.paths)
			if err == nil || err.Error() != tt.want {
				t.Errorf("Template = %q, %v; want the error %q", got, err, tt.want)
			}
		})
	}
	for _, torn := range []string{"", "a: ["} {
		if got, err := Template(torn, nil, nil); err == nil {
			t.Errorf("Template(%q) = %q, want an error", torn, got)
		}
	}
}

func decode(t *testing.T, src string) any {
	t.Helper()
	var v any
	if err := yaml.Load([]byte(src), &v); err != nil {
		t.Fatalf("%v in:\n%s", err, src)
	}
	return v
}
