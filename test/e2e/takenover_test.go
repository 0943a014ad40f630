package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tagproc/tagproc/internal/echo"
	"github.com/tagproc/tagproc/internal/envoy/envoytest"
	"github.com/tagproc/tagproc/internal/mesh"
)

// What becomes of a request.
const (
	unchanged = "unchanged"
	refused   = "refused"  // the client gets a 5xx, and no application the request
	tagged    = "tagged"   // owned headers are set, which is what tagproc is for
	replaced  = "replaced" // the application gets another body, and another method
)

// takenOver are replies of a tagproc that an attacker has taken over, by the user who
// gets them, and their possible results on one release of Envoy or the other.
var takenOver = []struct {
	user    string
	replies []*extprocv3.ProcessingResponse
	wait    time.Duration // before the last one
	want    []string      // nil: unchanged
}{
	{user: "another host", replies: sets("host", "evil", ":authority", "evil")},
	{user: "another path and method", replies: sets(":path", "/evil", ":method", "DELETE", ":scheme", "https")},
	{user: "another identity", replies: sets("authorization", "x", "cookie", "x", "x-user-id", "root", "x-forwarded-for", "192.0.2.1", "x-envoy-retry-on", "5xx", "x-request-id", "1")},
	{user: "names around owned ones", replies: sets("xx-asm-prefer-tag", "x", "x-asm-prefer-tagx", "x", "an-appver", "x", "baggagex", "x", "xasmprefertag", "x")},
	{user: "a comma in a name", replies: sets("x-asm-prefer-tag,x-evil", "x"), want: []string{refused}},
	{user: "removal of others", replies: reply(&extprocv3.CommonResponse{HeaderMutation: &extprocv3.HeaderMutation{RemoveHeaders: []string{"x-user-id", "host", ":path", ":method", "user-agent", "content-length", "x-other"}}})},
	{user: "a line break in a name", replies: sets("x-asm-prefer-tag\r\nx-evil", "x"), want: []string{refused}},
	{user: "a line break in a value", replies: sets("appver-a", "v2\r\nx-evil: 1"), want: []string{refused}},
	{user: "a NUL in a value", replies: sets("appver-a", "v2\x00"), want: []string{refused}},
	{user: "a blank in a name", replies: sets("appver a", "v2"), want: []string{refused}},
	{user: "a large value", replies: sets("appver-a", strings.Repeat("a", 200_000)), want: []string{refused}},
	{user: "many headers", replies: many(300), want: []string{refused}},
	{user: "an answer of its own", replies: []*extprocv3.ProcessingResponse{{Response: &extprocv3.ProcessingResponse_ImmediateResponse{
		ImmediateResponse: &extprocv3.ImmediateResponse{Status: &typev3.HttpStatus{Code: typev3.StatusCode_PaymentRequired}, Body: []byte("evil")},
	}}}},
	{user: "another mode", replies: withMode(&filterv3.ProcessingMode{
		ResponseHeaderMode: filterv3.ProcessingMode_SEND, RequestBodyMode: filterv3.ProcessingMode_BUFFERED, ResponseBodyMode: filterv3.ProcessingMode_BUFFERED,
	})},
	{user: "more time", replies: []*extprocv3.ProcessingResponse{{OverrideMessageTimeout: durationpb.New(time.Minute)}, sets("appver-a", "v2")[0]}, wait: 10 * time.Second},
	{user: "a reply of another phase", replies: []*extprocv3.ProcessingResponse{{Response: &extprocv3.ProcessingResponse_ResponseHeaders{
		ResponseHeaders: &extprocv3.HeadersResponse{Response: sets("set-cookie", "evil")[0].GetRequestHeaders().GetResponse()},
	}}}, want: []string{unchanged, refused}},
	{user: "two replies", replies: slices.Concat(sets("x-evil", "1"), sets("x-evil", "2")), want: []string{unchanged, refused}},
	{user: "tags", replies: sets("x-asm-prefer-tag", "s9", "APPVER-A", "v2", "x_asm_prefer_tag", "s9", "baggage", "x=1"), want: []string{tagged}},
	{user: "another body", replies: reply(&extprocv3.CommonResponse{
		Status:         extprocv3.CommonResponse_CONTINUE_AND_REPLACE,
		HeaderMutation: sets("x-evil", "1", "host", "evil", ":path", "/evil", ":method", "DELETE")[0].GetRequestHeaders().GetResponse().GetHeaderMutation(),
		BodyMutation:   &extprocv3.BodyMutation{Mutation: &extprocv3.BodyMutation_Body{Body: []byte("evil")}},
	}), want: []string{replaced}},
}

// reply returns the reply to request headers that has c.
func reply(c *extprocv3.CommonResponse) []*extprocv3.ProcessingResponse {
	return []*extprocv3.ProcessingResponse{{Response: &extprocv3.ProcessingResponse_RequestHeaders{RequestHeaders: &extprocv3.HeadersResponse{Response: c}}}}
}

// sets returns the reply that sets headers, each a name and a value.
func sets(headers ...string) []*extprocv3.ProcessingResponse {
	m := &extprocv3.HeaderMutation{}
	for pair := range slices.Chunk(headers, 2) {
		m.SetHeaders = append(m.SetHeaders, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: pair[0], RawValue: []byte(pair[1])},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	return reply(&extprocv3.CommonResponse{HeaderMutation: m, ClearRouteCache: true})
}

// many returns the reply that sets n owned headers.
func many(n int) []*extprocv3.ProcessingResponse {
	var headers []string
	for i := range n {
		headers = append(headers, fmt.Sprintf("appver-%d", i), "x")
	}
	return sets(headers...)
}

// withMode returns the reply that asks for more to be sent, in dynamic metadata of
// somebody else's too.
func withMode(mode *filterv3.ProcessingMode) []*extprocv3.ProcessingResponse {
	replies := sets()
	replies[0].ModeOverride = mode
	replies[0].DynamicMetadata = &structpb.Struct{Fields: map[string]*structpb.Value{
		"envoy.filters.http.jwt_authn": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{"sub": structpb.NewStringValue("root")}}),
	}}
	return replies
}

// An impostor is a server in tagproc's place.
type impostor struct {
	extprocv3.UnimplementedExternalProcessorServer
}

// Process replies as takenOver says for the user of the request. Envoy sends it only
// the headers that the configuration forwards: on anything else it answers the client,
// in a phase that was not asked for.
func (impostor) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	request, err := stream.Recv()
	if err != nil {
		return err
	}
	for _, h := range request.GetRequestHeaders().GetHeaders().GetHeaders() {
		for _, c := range takenOver {
			if h.Key != "x-user-id" || string(h.RawValue) != c.user {
				continue
			}
			for i, r := range c.replies {
				if i == len(c.replies)-1 && c.wait > 0 {
					select {
					case <-time.After(c.wait):
					case <-stream.Context().Done():
						return nil
					}
				}
				if err := stream.Send(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// TestTakenOver checks what the shipped configuration leaves to a tagproc that somebody
// has taken over: owned headers, errors, and the body of a request together with its
// method. SECURITY.md says so.
func TestTakenOver(t *testing.T) {
	envoytest.Each(t, func(t *testing.T, binary string) {
		t.Helper()
		t.Parallel()
		application := startEcho(t)
		m := startMeshWith(t, mesh.Options{Binary: binary, Tagproc: serve(t, "unix", filepath.Join(t.TempDir(), "impostor.sock"), impostor{}), Edit: patient(t, "5s", withEcho(application.Port()))}) // less than one of them waits
		for _, c := range takenOver {
			honest, _ := post(t, m, "nobody")
			report, status := post(t, m, c.user)
			honest.Headers["x-user-id"] = []echo.Bytes{echo.Bytes(c.user)}
			got := whatCameOf(honest, report, status)
			if c.want == nil {
				c.want = []string{unchanged}
			}
			if !slices.Contains(c.want, got) {
				t.Errorf("%s: %s (status %d), want %q; the application was sent, compared with an honest tagproc (-honest +taken over):\n%s",
					c.user, got, status, c.want, cmp.Diff(honest, report))
			}
		}
	})
}

// whatCameOf compares what the application is sent with what it is sent of an honest
// tagproc.
func whatCameOf(honest, got echo.Report, status int) string {
	if status >= 500 {
		return refused
	}
	if status != http.StatusOK {
		return "changed"
	}
	came := unchanged
	if got.BodySHA256 != honest.BodySHA256 {
		came = replaced
		got.BodySHA256, got.BodyBytes, got.Chunked, got.Method = honest.BodySHA256, honest.BodyBytes, honest.Chunked, honest.Method
		got.Headers["content-length"] = honest.Headers["content-length"]
	}
	for _, name := range []echo.Bytes{"x-asm-prefer-tag", "x_asm_prefer_tag", "appver-a", "baggage"} {
		if got.Headers[name] != nil {
			came = tagged
			delete(got.Headers, name)
		}
	}
	if id := got.Headers["x-request-id"]; len(id) == 1 && len(id[0]) == len(honest.Headers["x-request-id"][0]) {
		got.Headers["x-request-id"] = honest.Headers["x-request-id"] // Envoy makes one for each
	}
	if !cmp.Equal(honest, got) {
		return "changed"
	}
	return came
}

// post sends a request with a body as a user, and returns what the application was
// sent, or the status of an answer of Envoy's own.
func post(t *testing.T, m *mesh.Mesh, user string) (report echo.Report, status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+m.Ingress()+"/p", strings.NewReader(strings.Repeat("body ", 60_000)))
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "echo"
	request.Header.Set("X-User-Id", user)
	request.Header.Set("X-Other", "1")
	client := http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s: %v", user, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", user, err)
	}
	for _, name := range []string{"Set-Cookie", "X-Evil"} {
		if v := response.Header.Get(name); v != "" {
			t.Errorf("%s: the client gets %s: %s", user, name, v)
		}
	}
	if response.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &report); err != nil {
			t.Fatalf("%s: %v in %.200q", user, err, body)
		}
	}
	return report, response.StatusCode
}
