// Package certtest makes certificates for tests: authorities, and what they issue.
package certtest
