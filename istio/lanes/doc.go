// Package lanes knows lane groups: services whose versions stand side by side in
// lanes, and a header, the route header, that says in which lane a request stays.
//
// [Read] makes Groups of manifests of Alibaba Cloud Service Mesh (ASMSwimLaneGroup,
// ASMSwimLane) as they are, or of lanes files, tagproc's own short form;
// [Group.Target] says which lane answers a request; and [Render] makes the
// resources of Istio that do so.
//
// This package never knows files, networks or a cluster, and not how a request
// gets its tag.
package lanes
