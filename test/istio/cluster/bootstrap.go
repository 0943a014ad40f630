package cluster

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/tagproc/tagproc/mesh/control"
	"github.com/tagproc/tagproc/test/istio/node"
)

const adminPort = 15000

// bootstrap is what an Envoy is started with. All else comes from the control plane.
func (c *container) bootstrap() map[string]any {
	kind, plane := "sidecar", c.pod.c.control
	if c.pod.isGateway() {
		kind = "router"
	}
	p, ip := c.pod, c.pod.network().Address.String()
	type m = map[string]any
	ads := m{"ads": m{}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
	return m{
		"node": m{
			"id":      fmt.Sprintf("%s~%s~%s.%s~%s.svc.%s", kind, ip, p.name, p.namespace(), p.namespace(), control.Domain),
			"cluster": p.owner.Name + "." + p.namespace(),
			"metadata": m{
				"ISTIO_VERSION": plane.version, "CLUSTER_ID": "Kubernetes", "MESH_ID": control.Domain,
				"NAME": p.name, "NAMESPACE": p.namespace(), "WORKLOAD_NAME": p.owner.Name,
				"LABELS": p.labels, "ANNOTATIONS": p.notes, "INSTANCE_IPS": ip,
				"INTERCEPTION_MODE": "REDIRECT",
			},
		},
		"admin": m{"address": address(ip, adminPort)},
		"dynamic_resources": m{
			"lds_config": ads,
			"cds_config": ads,
			"ads_config": m{
				"api_type": "DELTA_GRPC", "transport_api_version": "V3", "set_node_on_first_message_only": true,
				"grpc_services": []m{{"envoy_grpc": m{"cluster_name": "xds-grpc"}}},
			},
		},
		"cluster_manager": m{"upstream_bind_config": m{"socket_options": []m{{
			"description": "told by interception", "level": unix.SOL_SOCKET, "name": unix.SO_MARK,
			"int_value": node.Mark, "state": "STATE_PREBIND",
		}}}},
		"static_resources": m{"clusters": []m{{
			"name": "xds-grpc", "type": "STATIC", "connect_timeout": "1s",
			"typed_extension_protocol_options": m{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": m{
				"@type":                "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
				"explicit_http_config": m{"http2_protocol_options": m{}},
			}},
			"load_assignment": m{"cluster_name": "xds-grpc", "endpoints": []m{{"lb_endpoints": []m{{
				"endpoint": m{"address": address(plane.address().IP.String(), plane.address().Port)},
			}}}}},
		}}},
	}
}

func address(ip string, port int) map[string]any {
	return map[string]any{"socket_address": map[string]any{"address": ip, "port_value": port}}
}
