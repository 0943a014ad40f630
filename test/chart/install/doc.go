// Package install has Helm's own program install, upgrade, roll back and uninstall the chart
// on the real API server of Kubernetes, as the chart's README says.
package install
