# tagproc's image, for those who build with Docker. It has the files of the one that
# "make image" assembles without Docker and with the same digest everywhere.
#
#   docker build --build-arg VERSION="$(tools/version)" -t tagproc/tagproc .

# The Go that go.mod names.
FROM --platform=$BUILDPLATFORM golang:1.27.4 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=unknown
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags="-s -w -X main.version=$VERSION" -o /tagproc ./cmd/tagproc

FROM scratch
ARG VERSION=unknown
LABEL org.opencontainers.image.source=https://github.com/tagproc/tagproc
LABEL org.opencontainers.image.licenses=Apache-2.0
LABEL org.opencontainers.image.version=$VERSION
COPY --chmod=644 tools/image/rootfs/etc/group tools/image/rootfs/etc/passwd /etc/
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /tagproc /tagproc
# nonroot, by number: Kubernetes cannot tell who a name is.
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/tagproc"]
