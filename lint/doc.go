// Package lint judges Envoys beside rules: it says which of their tags no route takes,
// which settings make an Envoy not ask tagproc, or not act on the answer, and which
// routes are never reached.
//
// A [Model] is given compiled rules, configurations of Envoys, whoever made them, and
// the parts of one that manifests hold, such as the patches of an EnvoyFilter. Each
// [Finding] has its place, why it is one, and the fix. A check runs only where what it
// looks at is there.
//
// The package never knows files, networks, or a control plane.
package lint
