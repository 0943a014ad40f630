// Package isolate runs a package's tests in user, network and mount namespaces of their
// own, on Linux: every port of the loopback is free there, and every mount theirs. It
// knows nothing of what the tests do.
package isolate
