// Package k8s_test builds the manifests of deploy/k8s as kubectl does, decodes
// each object strictly, checks what they say of each other, and runs what they
// run. Start with TestOverlays; each check of it is in a file by its subject,
// and TestBroken breaks objects to see that the checks notice.
//
// Run it with -count=1: what it looks at lies outside this module, where go test
// does not see that a file has changed, and would show an old result.
package k8s_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	kubernetes "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// Where what is checked lies, seen from here.
const (
	manifests  = "../../k8s"
	repository = "../../.."
)

// bundle is what one kustomization builds: what kubectl would apply.
type bundle struct {
	objects []runtime.Object
}

// all returns the objects of a type.
func all[T runtime.Object](b *bundle) []T {
	var found []T
	for _, o := range b.objects {
		if t, ok := o.(T); ok {
			found = append(found, t)
		}
	}
	return found
}

// named returns the object of a type with a name, or the zero value.
func named[T runtime.Object](b *bundle, name string) (found T, ok bool) {
	for _, o := range all[T](b) {
		if nameOf(o) == name {
			return o, true
		}
	}
	return found, false
}

// remove takes an object out.
func (b *bundle) remove(o runtime.Object) {
	b.objects = slices.DeleteFunc(b.objects, func(other runtime.Object) bool { return other == o })
}

// clone returns a copy that shares nothing.
func (b *bundle) clone() *bundle {
	c := &bundle{}
	for _, o := range b.objects {
		c.objects = append(c.objects, o.DeepCopyObject())
	}
	return c
}

func nameOf(o runtime.Object) string {
	m, err := meta.Accessor(inner(o))
	if err != nil {
		return err.Error()
	}
	return m.GetName()
}

// title is how findings name an object.
func title(o runtime.Object) string {
	return o.GetObjectKind().GroupVersionKind().Kind + " " + nameOf(o)
}

// inner is the object that a workload is about, or the object itself.
func inner(o runtime.Object) runtime.Object {
	switch w := o.(type) {
	case workload:
		return w.Object
	case *workload:
		return w.Object
	}
	return o
}

// decoder takes one object, of the types that Kubernetes and the Prometheus
// operator have, and refuses fields that these do not know.
var decoder = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{kubernetes.AddToScheme, monitoring.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
}()

// build runs kustomize over a folder, with what kubectl apply -k allows.
func build(dir string) (*bundle, error) {
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	b := &bundle{}
	for _, r := range resources.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.CurId(), err)
		}
		o, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.CurId(), err)
		}
		b.objects = append(b.objects, o)
	}
	return b, nil
}

func mustBuild(t *testing.T, dir string) *bundle {
	t.Helper()
	b, err := build(dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// kustomizations returns the folders below root that hold one of a kind.
func kustomizations(t *testing.T, root, kind string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "kustomization.yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var k metav1.TypeMeta
		if err := yaml.Unmarshal(text, &k); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if k.Kind == kind {
			found = append(found, filepath.Dir(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("%s has no %s", root, kind)
	}
	return found
}

// whole returns the bundles that somebody could apply: every overlay, and one
// that is made here for each component.
func whole(t *testing.T) map[string]*bundle {
	t.Helper()
	bundles := map[string]*bundle{}
	for _, dir := range kustomizations(t, filepath.Join(manifests, "overlays"), "Kustomization") {
		bundles[filepath.Base(dir)] = mustBuild(t, dir)
	}
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(manifests)); err != nil {
		t.Fatal(err)
	}
	for _, dir := range kustomizations(t, filepath.Join(root, "components"), "Component") {
		name := "with " + filepath.Base(dir)
		text := "resources: [../../overlays/dev]\ncomponents: [../../components/" + filepath.Base(dir) + "]\n"
		if filepath.Base(dir) == "autoscaling" { // dev says how many nodes there are
			text = "resources: [../../base, ../../nats]\nimages: [{name: hoshi, newTag: x}]\ncomponents: [../../components/autoscaling, ../../components/servicemonitor]\n"
		}
		made := filepath.Join(root, "overlays", name)
		if err := errors.Join(os.Mkdir(made, 0o700), os.WriteFile(filepath.Join(made, "kustomization.yaml"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		bundles[name] = mustBuild(t, made)
	}
	return bundles
}

// TestEveryKustomizationBuilds holds that each folder builds by itself, into
// objects without an unknown field or one that is there twice.
func TestEveryKustomizationBuilds(t *testing.T) {
	for _, dir := range kustomizations(t, manifests, "Kustomization") {
		if b, err := build(dir); err != nil {
			t.Error(err)
		} else if len(b.objects) < 5 {
			t.Errorf("%s builds %d objects", dir, len(b.objects))
		}
	}
}

// TestStrict holds that what TestEveryKustomizationBuilds relies on notices.
func TestStrict(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{name: "unknown field", text: "apiVersion: v1\nkind: Service\nspec: {port: []}", want: `unknown field "spec.port"`},
		{name: "unknown field of the operator", text: "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nspec: {endpoint: []}", want: `unknown field "spec.endpoint"`},
		{name: "twice", text: "apiVersion: v1\nkind: Service\nspec: {}\nspec: {}", want: `key "spec" already set`},
		{name: "wrong type", text: "apiVersion: v1\nkind: Service\nspec: {ports: 1}", want: "cannot unmarshal"},
		{name: "unknown kind", text: "apiVersion: v1\nkind: Servise", want: "no kind"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := decoder.Decode([]byte(tt.text), nil, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestSources holds that no key is twice in any file as it is written:
// kustomize would take one of the two.
func TestSources(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(manifests, func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		seen++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for part := range bytes.SplitSeq(text, []byte("\n---\n")) {
			if _, err := yaml.YAMLToJSONStrict(part); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		return nil
	})
	if err != nil || seen < 20 {
		t.Fatal(seen, err)
	}
}

// TestEveryFileIsUsed holds that nothing lies there that no kustomization
// names, but for what people read.
func TestEveryFileIsUsed(t *testing.T) {
	forPeople := map[string]bool{"README.md": true, "kustomization.yaml": true, "prometheus-adapter-rule.yaml": true, "hoshi.sh": true}
	err := filepath.WalkDir(manifests, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || forPeople[d.Name()] {
			return err
		}
		text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "kustomization.yaml"))
		if err == nil && !strings.Contains(string(text), d.Name()) {
			t.Errorf("nobody uses %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// read returns a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
