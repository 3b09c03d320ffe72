# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The pages in Debian's chromium, driven by playwright-core.
LONG_TIERS="$LONG_TIERS browser"

# node_modules TEST: what tests/node pins, in build/node. Where it cannot be had, TEST counts as
# skipped, and the answer is false.
node_modules() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        need nodejs npm || { verdict skipped "$1" "apt: no nodejs and npm"; return 1; }
    fi
    [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] ||
        { verdict skipped "$1" "needs Node 20, there is $(node --version)"; return 1; }
    mkdir -p build/node
    if ! cmp -s tests/node/package-lock.json build/node/installed; then
        cp tests/node/package.json tests/node/package-lock.json build/node/
        (cd build/node && npm ci --ignore-scripts --no-audit --no-fund) >"$RESULTS/npm.log" 2>&1 ||
            { verdict skipped "$1" "npm: $(grep -m 1 -i error "$RESULTS/npm.log")"; return 1; }
        cp tests/node/package-lock.json build/node/installed
    fi
}

tier_browser() {
    need chromium || { verdict skipped browser "apt: no chromium"; return 0; }
    build release build
    node_modules browser || return 0
    node tests/browser/browser.mjs >"$RESULTS/verdicts.tsv"
}
