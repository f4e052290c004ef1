# The image of a node: one static binary on nothing. BuildKit (Docker 23 and later) and
# podman build it; stages that nobody asks for are passed over.
#
#   docker build -t hoshi --build-arg VERSION=v1.2.3 --build-arg COMMIT=$(git rev-parse HEAD) .
#   podman build -t hoshi --format docker --build-arg SOURCE=build .
#
# podman leaves the health check out of its own format, and podman 4.3 (buildah 1.28) does
# not look at the default of SOURCE; the other arguments are the same.
#
# Without a registry, neither of images nor of modules: put what was built elsewhere
# into .out/image/hoshi, which becomes the root of the image.
#
#   CGO_ENABLED=0 go build -trimpath -o .out/image/hoshi/hoshi ./cmd/node
#   docker build -t hoshi --build-arg SOURCE=prebuilt .
#
# A node that fetches a JWKS by https, or dials NATS with TLS by public authorities,
# wants etc/ssl/certs/ca-certificates.crt there, too. The example of docker-compose.yml
# is taken from .out/image/example/example.
ARG SOURCE=build

FROM golang:1.27.3 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY cmd cmd
COPY internal internal
COPY pkg pkg
COPY deploy/example deploy/example
ARG VERSION
ARG COMMIT
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o /out/hoshi/hoshi ./cmd/node
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /out/example/example ./deploy/example
RUN mkdir -p /out/hoshi/etc/ssl/certs && cp /etc/ssl/certs/ca-certificates.crt /out/hoshi/etc/ssl/certs/

FROM scratch AS prebuilt
ARG PREBUILT=.out/image
COPY ${PREBUILT} /out/

FROM ${SOURCE} AS files

# The backend of docker-compose.yml.
FROM scratch AS example
COPY --from=files /out/example/ /
USER 65532:65532
EXPOSE 8090
ENV EXAMPLE_LISTEN=0.0.0.0:8090
ENTRYPOINT ["/example"]
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 CMD ["/example", "health"]

FROM scratch AS hoshi
COPY --from=files /out/hoshi/ /
USER 65532:65532
# Clients; and metrics with health, where HOSHI_METRICS_LISTEN=0.0.0.0:8082 says so. The
# admin listener stays on loopback, where the health check asks.
EXPOSE 8080 8082
ENV HOSHI_LISTEN=0.0.0.0:8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/hoshi"]
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/hoshi", "health"]
