// Package compose holds that Dockerfile and docker-compose.yml do what they say, on a
// machine without a container engine. Each part is proved another way:
//
//   - dockerfile_test.go reads the Dockerfile, and runs its go build lines as they
//     stand; image_test.go runs what comes of them in an empty root.
//   - files_test.go loads the compose file with compose-go, as compose itself does, and
//     compares what must agree between files.
//   - up_test.go starts every service but Grafana, as root: container_test.go and
//     network_test.go make of each what an engine would, a network namespace, a root of
//     its own that is read-only, a user, no capability, names by DNS, published ports.
//     Files and commands are those that are shipped, byte for byte. HAProxy and
//     Prometheus are Debian's, and older than those of the images.
package compose
