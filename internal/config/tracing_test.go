package config_test

import (
	"strings"
	"testing"

	"github.com/hoshi-ws/hoshi/internal/config"
)

func TestTracing(t *testing.T) {
	for _, tt := range []struct {
		name, endpoint, sample, file string
		want                         config.Tracing
		fault                        string
	}{
		{name: "defaults", want: config.Tracing{TraceSample: 0.01}},
		{name: "flags", endpoint: "http://127.0.0.1:4318", sample: "0.5", want: config.Tracing{TraceEndpoint: "http://127.0.0.1:4318", TraceSample: 0.5}},
		{name: "a path", endpoint: "https://otel.example.com/otlp", want: config.Tracing{TraceEndpoint: "https://otel.example.com/otlp", TraceSample: 0.01}},
		{name: "none", sample: "0", want: config.Tracing{}},
		{name: "all", sample: "1", want: config.Tracing{TraceSample: 1}},
		{name: "small", sample: "1e-6", want: config.Tracing{TraceSample: 1e-6}},
		{name: "file", file: `{:trace-endpoint "http://otel:4318" :trace-sample 0.25}`, want: config.Tracing{TraceEndpoint: "http://otel:4318", TraceSample: 0.25}},
		{name: "whole number in a file", file: `{:trace-sample 1}`, want: config.Tracing{TraceSample: 1}},
		{name: "too much", sample: "1.01", fault: `"1.01" is no ratio: want a number from 0 to 1`},
		{name: "too little", sample: "-0.01", fault: "is no ratio"},
		{name: "NaN", sample: "NaN", fault: "is no ratio"},
		{name: "percent", sample: "1%", fault: "is no ratio"},
		{name: "a keyword in a file", file: `{:trace-sample :all}`, fault: "is no ratio"},
		{name: "no URL", endpoint: "127.0.0.1:4318", fault: "want one like http://127.0.0.1:4318"},
		{name: "gRPC", endpoint: "grpc://127.0.0.1:4317", fault: "is no URL of an endpoint"},
		{name: "no host", endpoint: "http://:4318", fault: "is no URL of an endpoint"},
		{name: "credentials", endpoint: "https://me:hunter2@otel.example.com", fault: "holds credentials"},
		{name: "query", endpoint: "http://otel:4318?key=hunter2", fault: "has something behind its path"},
		{name: "whole", endpoint: "http://otel:4318/v1/traces", fault: "which is added"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var args []string
			if tt.file != "" {
				args = append(args, "--config=FILE")
			}
			if tt.endpoint != "" {
				args = append(args, "--trace-endpoint="+tt.endpoint)
			}
			if tt.sample != "" {
				args = append(args, "--trace-sample="+tt.sample)
			}
			c, _, faults := parse(t, args, nil, tt.file)
			if tt.fault != "" {
				if len(faults) != 1 || !strings.Contains(faults[0], tt.fault) || strings.Contains(faults[0], "hunter2") {
					t.Fatalf("%q, want %q", faults, tt.fault)
				}
				return
			}
			if len(faults) > 0 || c.Run.Tracing != tt.want {
				t.Fatalf("%+v, %q", c.Run.Tracing, faults)
			}
		})
	}
}
