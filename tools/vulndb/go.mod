// Module vulndb pins the Go vulnerability database that scripts/vuln.sh checks
// with: the module golang.org/x/vulndb holds it, and go.sum its hash, so that
// it comes through the module proxy and is the same for everybody. No package of
// it is imported, so do not run go mod tidy here. A newer one:
//
//	go get golang.org/x/vulndb@latest
module github.com/hoshi-ws/hoshi/tools/vulndb

go 1.26.0

// A Go whose standard library has nothing in it that we call and that this
// database knows of.
toolchain go1.27.3

require golang.org/x/vulndb v0.0.0-20261105234957-e22db6528018
