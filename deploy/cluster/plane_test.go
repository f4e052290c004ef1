package cluster_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	manifests = "../k8s"
	program   = "../../.bin/plane" // what go build leaves there is not linked again
)

// plane is the control plane of a run: all tests share it, each has a
// namespace of its own.
type plane struct {
	dir     string
	program string
	certs   *authority
	client  *kubernetes.Clientset
	config  *rest.Config
	parts   []*exec.Cmd // in the order of their start
}

// here is made by TestMain, before any test.
var (
	here  *plane
	world *machines
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "hoshi-cluster")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	here = &plane{dir: dir}
	defer here.stop()
	if err := here.start(); err != nil {
		return 1, errors.Join(err, here.lastWords())
	}
	ctx, cancel := context.WithCancel(context.Background())
	world = newMachines(here.client)
	ended, err := world.run(ctx)
	defer func() { cancel(); <-ended }()
	if err != nil {
		return 1, err
	}
	if code = m.Run(); code != 0 {
		err = here.lastWords()
	}
	return code, err
}

// start builds the program, makes certificates, and has every part run.
func (p *plane) start() error {
	built := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "./plane")
	if out, err := built.CombinedOutput(); err != nil {
		return fmt.Errorf("build the control plane: %w\n%s", err, out)
	}
	var err error
	if p.program, err = filepath.Abs(program); err != nil {
		return err
	}
	if p.certs, err = newAuthority(p.dir); err != nil {
		return err
	}
	for _, who := range []struct {
		name, common string
		groups       []string
	}{
		{name: "server", common: "kube-apiserver"},
		{name: "proxy", common: "front-proxy"},
		{name: "admin", common: "admin", groups: []string{"system:masters"}},
		{name: "controllers", common: "system:kube-controller-manager"},
		{name: "scheduler", common: "system:kube-scheduler"},
		{name: "accounts", common: "accounts"},
	} {
		if err := p.certs.sign(who.name, who.common, who.groups...); err != nil {
			return err
		}
	}
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	etcd, peer, api := ports[0], ports[1], ports[2]
	for _, who := range []string{"admin", "controllers", "scheduler"} {
		if err := p.writeKubeconfig(who, api); err != nil {
			return err
		}
	}
	f := p.certs.file
	if err := p.part("etcd", filepath.Join(p.dir, "etcd"), etcd, peer); err != nil {
		return err
	}
	if err := p.part("kube-apiserver",
		"--etcd-servers=http://127.0.0.1:"+etcd, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port="+api, "--endpoint-reconciler-type=none",
		"--tls-cert-file="+f("server.crt"), "--tls-private-key-file="+f("server.key"), "--client-ca-file="+f("ca.crt"),
		"--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+f("accounts.crt"), "--service-account-signing-key-file="+f("accounts.key"),
		"--requestheader-client-ca-file="+f("ca.crt"), "--requestheader-allowed-names=front-proxy", "--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group", "--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file="+f("proxy.crt"), "--proxy-client-key-file="+f("proxy.key"),
	); err != nil {
		return err
	}
	p.config, err = clientcmd.BuildConfigFromFlags("", p.kubeconfig("admin"))
	if err != nil {
		return err
	}
	p.config.QPS, p.config.Burst = 500, 500
	if p.client, err = kubernetes.NewForConfig(p.config); err != nil {
		return err
	}
	if err := p.answers(); err != nil {
		return err
	}
	if err := p.part("kube-controller-manager",
		"--kubeconfig="+p.kubeconfig("controllers"), "--leader-elect=false", "--secure-port=0", "--use-service-account-credentials=true", "--service-account-private-key-file="+f("accounts.key"), "--root-ca-file="+f("ca.crt"),
		"--horizontal-pod-autoscaler-sync-period=1s", "--horizontal-pod-autoscaler-cpu-initialization-period=1s", "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
	); err != nil {
		return err
	}
	return p.part("kube-scheduler", "--kubeconfig="+p.kubeconfig("scheduler"), "--leader-elect=false", "--secure-port=0")
}

// part starts one; its words go into a file.
func (p *plane) part(name string, flags ...string) error {
	words, err := os.Create(filepath.Join(p.dir, name+".log"))
	if err != nil {
		return err
	}
	defer words.Close()
	c := exec.Command(p.program, append([]string{name}, flags...)...)
	c.Stdout, c.Stderr = words, words
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return err
	}
	p.parts = append(p.parts, c)
	return nil
}

// answers waits until the API server has started altogether.
func (p *plane) answers() error {
	var err error
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if _, err = p.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(context.Background()); err == nil {
			if _, err = p.client.CoreV1().Namespaces().Get(context.Background(), "default", metav1.GetOptions{}); err == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("the API server does not start: %w", err)
}

func (p *plane) stop() {
	for i := len(p.parts) - 1; i >= 0; i-- {
		c := p.parts[i]
		_ = c.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(5*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		kill.Stop()
	}
}

// lastWords is what the parts have said that was an error, after a failure.
func (p *plane) lastWords() error {
	var all []error
	for _, c := range p.parts {
		text, _ := os.ReadFile(filepath.Join(p.dir, c.Args[1]+".log"))
		var last []string
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "E") || strings.HasPrefix(line, "F") || strings.Contains(line, "rror:") {
				last = append(last, line)
			}
		}
		all = append(all, fmt.Errorf("%s:\n%s", c.Args[1], strings.Join(last[max(0, len(last)-10):], "")))
	}
	return errors.Join(all...)
}

func (p *plane) kubeconfig(who string) string { return filepath.Join(p.dir, who+".kubeconfig") }

func (p *plane) writeKubeconfig(who, port string) error {
	f := p.certs.file
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "x",
		"clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:%s", "certificate-authority": %q}}],
		"users": [{"name": "x", "user": {"client-certificate": %q, "client-key": %q}}],
		"contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]}`, port, f("ca.crt"), f(who+".crt"), f(who+".key"))
	return os.WriteFile(p.kubeconfig(who), []byte(text), 0o600)
}

func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports, nil
}
