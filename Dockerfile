# SPDX-License-Identifier: Apache-2.0
# Two stages: build and test from source; then nothing but the binary and the libraries it loads.
# Nothing here is tied to one architecture. ./dev image builds it reproducibly (SOURCE_DATE_EPOCH).
FROM docker.io/library/debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev cmake ninja-build libosip2-dev \
      libmicrohttpd-dev libjansson-dev liblmdb-dev libssl-dev libyaml-dev libseccomp-dev libcmocka-dev \
      zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY CMakeLists.txt CMakePresets.json VERSION openapi.yaml LICENSE ./
COPY base base
COPY store store
COPY service service
COPY api api
COPY tests tests
COPY docs/rollcall.yaml docs/rollcall.yaml
RUN cmake --preset release -DCMAKE_C_FLAGS=-ffile-prefix-map=/src=. \
 && cmake --build build \
 && ctest --test-dir build --output-on-failure \
 && strip --strip-unneeded -o /usr/local/bin/rollcall build/rollcall
# What the last stage holds: the binary, the libraries that it is linked with, two users, the store's
# folder. Sorted and stamped alike, so that one commit gives one digest.
RUN set -eu; r=/rootfs; \
    mkdir -p $r/etc/rollcall $r/var/lib/rollcall $r/tmp $r/usr/local/bin $r/usr/share/doc/rollcall; \
    cp /usr/local/bin/rollcall $r/usr/local/bin/; \
    cp LICENSE $r/usr/share/doc/rollcall/; \
    ldd /usr/local/bin/rollcall | awk '$3 ~ /^\//{print $3} $1 ~ /^\//{print $1}' | sort -u \
      | while read -r lib; do install -D -m755 "$(readlink -f "$lib")" "$r$lib"; done; \
    printf 'root:x:0:0::/:/sbin/nologin\nrollcall:x:10001:10001::/var/lib/rollcall:/sbin/nologin\n' > $r/etc/passwd; \
    printf 'root:x:0:\nrollcall:x:10001:\n' > $r/etc/group; \
    printf 'hosts: files dns\n' > $r/etc/nsswitch.conf; \
    chown 10001:10001 $r/var/lib/rollcall; chmod 0700 $r/var/lib/rollcall; chmod 1777 $r/tmp; \
    find $r -exec touch -h -d @0 {} +

FROM scratch
COPY --from=build /rootfs/ /
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rollcall" \
      org.opencontainers.image.description="A SIP registrar that is managed over REST" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Inside a container all of its addresses are reached from outside; the API then asks for a token.
ENV ROLLCALL_STORE_URL=lmdb:/var/lib/rollcall
VOLUME /var/lib/rollcall
EXPOSE 5060/udp 5060/tcp 8080/tcp
# Numeric, so that Kubernetes can check runAsNonRoot.
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/rollcall"]
CMD ["serve"]
