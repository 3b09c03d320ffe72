# SPDX-License-Identifier: Apache-2.0
# Three stages: the tools; build and test from source; then nothing but the binary and the libraries
# it loads. Nothing here is tied to one architecture. ./dev image passes VERSION and REVISION and
# builds it reproducibly.
ARG BASE=docker.io/library/debian:bookworm-slim
FROM ${BASE} AS tools
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev cmake ninja-build libosip2-dev \
      libmicrohttpd-dev libjansson-dev liblmdb-dev libssl-dev libyaml-dev libseccomp-dev libcmocka-dev \
      zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*

FROM tools AS build
WORKDIR /src
COPY . .
# TESTS=OFF is for a second build of a commit that was tested: the binary is the same.
ARG TESTS=ON
RUN cmake --preset release -DCMAKE_C_FLAGS=-ffile-prefix-map=/src=. -DROLLCALL_TESTS=${TESTS} \
 && cmake --build build \
 && if [ "${TESTS}" = ON ]; then ctest --test-dir build --output-on-failure -j "$(nproc)"; fi \
 && strip --strip-unneeded -o /usr/local/bin/rollcall build/rollcall
# What the last stage holds: the binary, the libraries that it is linked with (with their licences, and
# what scanners know them by), two users, the store's folder. Stamped alike: one commit, one digest.
RUN set -eu; r=/rootfs; \
    mkdir -p $r/etc/rollcall $r/var/lib/rollcall $r/var/lib/dpkg/status.d $r/tmp $r/usr/local/bin; \
    cp /usr/local/bin/rollcall $r/usr/local/bin/; \
    install -D -m644 LICENSE $r/usr/share/doc/rollcall/LICENSE; \
    ldd /usr/local/bin/rollcall | awk '$3 ~ /^\//{print $3} $1 ~ /^\//{print $1}' | sort -u > /tmp/libraries; \
    while read -r library; do \
      install -D -m755 "$(readlink -f "$library")" "$r$library"; \
      dpkg -S "*/${library##*/}" | sed -n '1s/:.*//p'; \
    done < /tmp/libraries | sort -u > /tmp/packages; \
    while read -r package; do \
      dpkg-query -s "$package" > "$r/var/lib/dpkg/status.d/$package"; \
      [ ! -f "/usr/share/doc/$package/copyright" ] || \
        install -D -m644 "/usr/share/doc/$package/copyright" "$r/usr/share/doc/$package/copyright"; \
    done < /tmp/packages; \
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
# The API listens on the container's loopback until ROLLCALL_API_LISTEN and a token are given.
ENV ROLLCALL_STORE_URL=lmdb:/var/lib/rollcall
VOLUME /var/lib/rollcall
EXPOSE 5060/udp 5060/tcp 8080/tcp
# Numeric, so that Kubernetes can check runAsNonRoot.
USER 10001:10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/rollcall"]
CMD ["serve"]
