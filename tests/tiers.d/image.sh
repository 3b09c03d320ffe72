# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The image: built by buildah on a base made from Debian's packages, run by podman.
LONG_TIERS="$LONG_TIERS image"

image_digest() {
    buildah inspect --type image --format '{{.FromImageDigest}}' "localhost/$1"
}

tier_image() {
    # shellcheck source=tests/containers.sh
    . tests/containers.sh
    local why
    why=$(containers_lack)
    [ -z "$why" ] || { verdict skipped image "$why"; return; }
    containers_configure
    test_image >"$RESULTS/build.log" 2>&1 || { tail -n 60 "$RESULTS/build.log"; return 1; }
    tail -n 2 "$RESULTS/build.log"
    # Again without any cache (and without the tests, which leave nothing in it).
    local digest
    digest=$(image_digest rollcall:test)
    IMAGE_TOOL=buildah dev_image rollcall:again --no-cache --build-arg TESTS=OFF >"$RESULTS/again.log" 2>&1 ||
        { tail -n 60 "$RESULTS/again.log"; return 1; }
    if [ "$digest" = "$(image_digest rollcall:again)" ]; then
        verdict passed two_builds_of_one_commit_have_one_digest
    else
        verdict failed two_builds_of_one_commit_have_one_digest
        echo "two builds of one commit differ: $digest, $(image_digest rollcall:again)"
    fi
    alone "$PYTHON" -m pytest -q -p no:cacheprovider --junitxml="$RESULTS/image.xml" tests/image
}
