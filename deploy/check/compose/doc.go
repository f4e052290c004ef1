// Package compose holds that Dockerfile and docker-compose.yml do what they say. Each
// part is proved another way:
//
//   - image_test.go has podman build the images, of source and of binaries, without a
//     registry, and looks at what they are; imagerun_test.go has it run a node. It needs
//     root. What stands in for the image of Go is this machine's Go.
//   - files_test.go loads the compose file with compose-go, as compose itself does, and
//     compares what must agree between files.
//   - up_test.go starts every service but Grafana, as root, from those images:
//     container_test.go and network_test.go make of each what an engine would, a network
//     namespace, a root of its own that is read-only, a user, no capability, names by
//     DNS, published ports. Files and commands are those that are shipped, byte for byte.
//     HAProxy and Prometheus are Debian's, and older than those of the images.
//   - unit_test.go has systemd look at the unit of deploy/systemd.
package compose
