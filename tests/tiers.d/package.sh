# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The Debian package: built by CPack, installed with apt on a clean Debian 12, started there.
LONG_TIERS="$LONG_TIERS package"

package_build() {
    cmake -G Ninja -S . -B build/package -DCMAKE_BUILD_TYPE=RelWithDebInfo -DROLLCALL_TESTS=OFF \
        -DCMAKE_INSTALL_PREFIX=/usr && cmake --build build/package &&
        rm -rf build/package/packages && (cd build/package && cpack -G DEB)
}

tier_package() {
    # shellcheck source=tests/containers.sh
    . tests/containers.sh
    local why root=$PWD/build/package/root
    why=$(containers_lack)
    [ -z "$why" ] || { verdict skipped package "$why"; return; }
    # shellcheck disable=SC2086
    need $BUILD_PACKAGES dpkg-dev file
    package_build >"$RESULTS/build.log" 2>&1 || { tail -n 60 "$RESULTS/build.log"; return 1; }
    rm -rf "$root"
    cp -a build/containers/base "$root"
    cp build/package/packages/rollcall_*.deb "$root/tmp/rollcall.deb"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    # No services are started inside; systemd is there for its verifier and for sysusers.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    chroot "$root" sh -ec 'export DEBIAN_FRONTEND=noninteractive; apt-get update -qq
        apt-get install -y --no-install-recommends systemd /tmp/rollcall.deb' >"$RESULTS/install.log" 2>&1 ||
        { tail -n 40 "$RESULTS/install.log"; return 1; }
    PACKAGE_ROOT=$root alone "$PYTHON" -m pytest -q -p no:cacheprovider \
        --junitxml="$RESULTS/package.xml" tests/package
}
