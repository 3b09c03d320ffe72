# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tiers image, chart and package share: a Debian root made from packages, and buildah and
# podman with a storage of their own under build/, so that nobody else's containers are touched.
# Sourced by the files of tests/tiers.d; `need` is ./dev's.

CONTAINER_PACKAGES="buildah podman runc netavark aardvark-dns catatonit iptables debootstrap iproute2 util-linux"
CONTAINERS=$PWD/build/containers

# lacks: prints why containers cannot be run here; nothing when they can.
containers_lack() {
    [ "$(id -u)" = 0 ] || { echo "needs root (namespaces, debootstrap)"; return; }
    command -v debootstrap >/dev/null && command -v podman >/dev/null && command -v buildah >/dev/null ||
        command -v apt-get >/dev/null || { echo "no buildah, podman and debootstrap, and no apt to get them"; return; }
    # shellcheck disable=SC2086
    need $CONTAINER_PACKAGES >/dev/null 2>&1 || { echo "buildah, podman or debootstrap cannot be installed"; return; }
    unshare --net --mount true 2>/dev/null || { echo "no right to make namespaces"; return; }
    containers_configure
    debian_base >"$CONTAINERS/debootstrap.log" 2>&1 ||
        { echo "debootstrap failed: $(tail -n 1 "$CONTAINERS/debootstrap.log")"; return; }
}

# Files for podman and buildah: runc, because crun refuses machines with both kinds of cgroups; limits
# that a machine without CAP_SYS_RESOURCE can set.
containers_configure() {
    export CONTAINERS_CONF=$CONTAINERS/containers.conf
    export CONTAINERS_STORAGE_CONF=$CONTAINERS/storage.conf
    mkdir -p "$CONTAINERS"
    local files
    files=$(ulimit -H -n)
    [ "$files" != unlimited ] && [ "$files" -le 20000 ] || files=20000
    cat >"$CONTAINERS_CONF" <<END
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=9000:9000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
END
    cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "overlay"
graphroot = "$CONTAINERS/storage"
runroot = "$CONTAINERS/run"
END
}

# debian_base: build/containers/base is a small Debian 12, with sources like the official image's.
debian_base() {
    local base=$CONTAINERS/base mirror sources=/etc/apt/sources.list.d/debian.sources
    [ -f "$base.done" ] && return 0
    mirror=$(awk '/^URIs:/{print $2; exit}' "$sources" 2>/dev/null || true)
    mirror=${mirror:-http://deb.debian.org/debian}
    rm -rf "$base"
    debootstrap --variant=minbase --include=ca-certificates bookworm "$base" "$mirror" || return 1
    rm -rf "$base"/var/cache/apt/* "$base"/var/lib/apt/lists/* "$base"/usr/share/{man,locale,info}/*
    find "$base/usr/share/doc" ! -type d ! -name copyright -delete
    : >"$base/etc/resolv.conf"
    if [ -f "$sources" ]; then
        rm -f "$base/etc/apt/sources.list"
        mkdir -p "$base/etc/apt/sources.list.d"
        grep -v '^#' "$sources" >"$base/etc/apt/sources.list.d/debian.sources"
    fi
    cat >"$base/etc/apt/apt.conf.d/docker-clean" <<'END'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache ""; Acquire::Languages "none"; Acquire::GzipIndexes "true";
END
    touch "$base.done"
}

# debian_image: that root as the image which the Dockerfile begins with.
debian_image() {
    local container folder name=docker.io/library/debian:bookworm-slim
    buildah inspect --type image "$name" >/dev/null 2>&1 && return 0
    container=$(buildah from scratch)
    folder=$(buildah mount "$container")
    cp -a "$CONTAINERS/base/." "$folder/"
    buildah umount "$container" >/dev/null
    buildah config --cmd bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit -q --rm "$container" "$name" >/dev/null
}

# test_image: rollcall:test, built as ./dev image builds it.
test_image() {
    debian_image && IMAGE_TOOL=buildah dev_image rollcall:test
}

# alone COMMAND...: in a network of its own where only loopback is, so that every port is free.
alone() {
    unshare --net -- sh -c 'ip link set lo up; exec "$@"' alone "$@"
}
