// Package chart tests the Helm chart of deploy/helm with Helm's own library. It is a
// module of its own, since the program needs no Helm.
package chart
