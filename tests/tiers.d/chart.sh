# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The chart: rendered by helm for a matrix of values, validated against the schemas of Kubernetes, and
# its pod played by podman.
LONG_TIERS="$LONG_TIERS chart"

# chart_tools: helm, kubectl-validate, kube-score (built from their sources, pinned by go.sum) and
# promtool (Debian's) in build/tools/bin. Prints what is lacking and why.
chart_tools() {
    local tools=$PWD/build/tools folder stamp sum
    mkdir -p "$tools/bin"
    if ! [ -x "$tools/bin/promtool" ]; then
        rm -rf "$tools/prometheus"
        mkdir -p "$tools/prometheus"
        if (cd "$tools/prometheus" && apt-get download prometheus && dpkg -x prometheus_*.deb .) >"$tools/promtool.log" 2>&1; then
            cp "$tools/prometheus/usr/bin/promtool" "$tools/bin/"
        else
            echo "promtool: the package prometheus cannot be had"
        fi
        rm -rf "$tools/prometheus"
    fi
    for folder in tests/chart/tools/*/; do
        folder=${folder%/}
        stamp=$tools/${folder##*/}.sum
        sum=$(sha256sum "$folder/go.mod" "$folder/go.sum")
        if [ -f "$stamp" ] && [ "$(<"$stamp")" = "$sum" ]; then continue; fi
        if ! command -v go >/dev/null; then
            echo "no Go tool chain (1.24 or newer) to build $folder"
        # Unoptimised: these tools run for seconds and are compiled for minutes.
        elif (cd "$folder" && GOBIN=$tools/bin GOFLAGS=-mod=readonly go install -trimpath -ldflags='-s -w' \
            '-gcflags=all=-N -l' tool) >"$tools/${folder##*/}.log" 2>&1; then
            echo "$sum" >"$stamp"
        else
            echo "$folder cannot be built: $(tail -n 1 "$tools/${folder##*/}.log")"
        fi
    done
}

# tools_image: curl and python3 on Debian, in the place of the images that the chart's backup and test
# name and that no registry is asked for here.
tools_image() {
    local name=localhost/rollcall-tools:test container
    buildah inspect --type image "$name" >/dev/null 2>&1 && return 0
    container=$(buildah from --pull-never docker.io/library/debian:bookworm-slim)
    buildah run --isolation chroot "$container" sh -ec \
        'apt-get update && apt-get install -y --no-install-recommends curl python3 && rm -rf /var/lib/apt/lists/*'
    buildah commit -q --rm "$container" "$name"
}

tier_chart() {
    # shellcheck source=tests/containers.sh
    . tests/containers.sh
    build release build
    CHART_TOOLS_LACK=$(chart_tools | tr '\n' ';')
    CONTAINERS_LACK=$(containers_lack)
    export CHART_TOOLS_LACK CONTAINERS_LACK
    if [ -z "$CONTAINERS_LACK" ]; then
        containers_configure
        test_image >"$RESULTS/build.log" 2>&1 || { tail -n 60 "$RESULTS/build.log"; return 1; }
        tools_image >"$RESULTS/tools.log" 2>&1 || { tail -n 20 "$RESULTS/tools.log"; return 1; }
        alone "$PYTHON" -m pytest -q -p no:cacheprovider --junitxml="$RESULTS/chart.xml" tests/chart
    else
        "$PYTHON" -m pytest -q -p no:cacheprovider --junitxml="$RESULTS/chart.xml" tests/chart
    fi
}
