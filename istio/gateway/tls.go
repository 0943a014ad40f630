package gateway

import (
	"cmp"
	"errors"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/tagproc/tagproc/istio/envoyfilter"
	"github.com/tagproc/tagproc/istio/manifest"
)

// TLS is how Envoy and tagproc know each other, in files that Envoy reads. The zero TLS
// is none.
type TLS struct {
	CA          string // of tagproc's certificate
	Name        string // in tagproc's certificate; "": the host of the address
	Certificate string // that Envoy shows, for --tls-client-ca of serve; with Key, or none
	Key         string
}

// check returns an error for each flag that cannot be used.
func (t TLS) check(addresses []envoyfilter.Endpoint) error {
	var errs []error
	require := func(ok bool, message string) {
		if !ok {
			errs = append(errs, errors.New(message))
		}
	}
	require(t.Certificate == "" || t.Key != "", "--tls-cert: expected --tls-key beside it, the key of the certificate")
	require(t.Key == "" || t.Certificate != "", "--tls-key: expected --tls-cert beside it, the certificate of the key")
	require(t == TLS{} || t.CA != "", "--tls-cert, --tls-key, --tls-name: expected --tls-ca beside it, the authority of tagproc's certificate: without it Envoy takes any")
	require(t == TLS{} || !slices.ContainsFunc(addresses, func(e envoyfilter.Endpoint) bool { return e.Socket != "" }), "--tls-ca: expected a HOST:PORT at --address: TLS is for TCP")
	require(t == TLS{} || len(addresses) < 2 || t.Name != "", "--tls-ca: expected --tls-name beside several --address, the name in every certificate")
	return errors.Join(errs...)
}

// socket returns the transport socket towards tagproc at host.
func (t TLS) socket(host string) (*corev3.TransportSocket, error) {
	file := func(name string) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: name}}
	}
	name := cmp.Or(t.Name, host)
	kind := tlsv3.SubjectAltNameMatcher_DNS
	if !(envoyfilter.Endpoint{Host: name}).IsName() {
		kind = tlsv3.SubjectAltNameMatcher_IP_ADDRESS
	}
	common := &tlsv3.CommonTlsContext{
		AlpnProtocols: []string{"h2"},
		ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa:                 file(t.CA),
			MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{SanType: kind, Matcher: envoyfilter.Exact(name)}},
		}},
	}
	if t.Certificate != "" {
		common.TlsCertificates = []*tlsv3.TlsCertificate{{CertificateChain: file(t.Certificate), PrivateKey: file(t.Key)}}
	}
	upstream := &tlsv3.UpstreamTlsContext{CommonTlsContext: common}
	if kind == tlsv3.SubjectAltNameMatcher_DNS {
		upstream.Sni = name
	}
	config, err := envoyfilter.Pack(upstream)
	if err != nil {
		return nil, err
	}
	return &corev3.TransportSocket{Name: "envoy.transport_sockets.tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: config}}, nil
}

// comment says why lines of the cluster's transport socket are there.
func (t TLS) comment(cluster *manifest.Tree) {
	if t == (TLS{}) {
		return
	}
	at := []any{"transport_socket", envoyfilter.TypedConfig, "common_tls_context"}
	cluster.Comment("The name makes a certificate tagproc's: any other of the authority would do without it.", append(at, "validation_context")...)
}
