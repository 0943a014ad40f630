// Package wasmplugin knows the WasmPlugin manifests of the Hash tagging plug-in
// of Alibaba Cloud Service Mesh: what of them a rules file has, and what becomes
// of the rest.
//
// [Convert] makes a rules file of a manifest. It moves no user, and it checks
// that itself: the rules file has the digest of the manifest, or there is none.
//
// What rules mean, and what is wrong with them, [rules] knows. This package never
// knows files, networks, or how the manifest comes to be.
package wasmplugin
