// Command plane is what a cluster of Kubernetes has beside its machines, in
// one program that links once: the first argument says which part it is.
//
//	plane etcd DIR CLIENT-PORT PEER-PORT
//	plane kube-apiserver|kube-controller-manager|kube-scheduler|kubectl FLAGS
package main

import (
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "plane: which part?")
		os.Exit(2)
	}
	parts := map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllers.NewControllerManagerCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
		"kubectl":                 kubectl.NewDefaultKubectlCommand,
	}
	name := os.Args[1]
	os.Args = os.Args[1:]
	switch part, ok := parts[name]; {
	case ok:
		os.Exit(cli.Run(part()))
	case name == "etcd" && len(os.Args) == 4:
		if err := etcd(os.Args[1], os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "plane: etcd:", err)
			os.Exit(1)
		}
	default:
		fmt.Fprintf(os.Stderr, "plane: there is no part %q\n", name)
		os.Exit(2)
	}
}

// etcd keeps its data in dir, on loopback, until SIGTERM. It does not wait for
// the disk: the cluster does not outlive it.
func etcd(dir, clientPort, peerPort string) error {
	at := func(port string) []url.URL { return []url.URL{{Scheme: "http", Host: "127.0.0.1:" + port}} }
	c := embed.NewConfig()
	c.Dir = dir
	c.UnsafeNoFsync = true
	c.LogLevel = "warn"
	c.ListenClientUrls, c.AdvertiseClientUrls = at(clientPort), at(clientPort)
	c.ListenPeerUrls, c.AdvertisePeerUrls = at(peerPort), at(peerPort)
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	defer e.Close()
	select {
	case <-end:
		return nil
	case err := <-e.Err():
		return err
	}
}
