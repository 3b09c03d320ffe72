# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The same messages to rollcall and to Kamailio, and Kamailio as the edge proxy before rollcall.
LONG_TIERS="$LONG_TIERS peers"

tier_peers() {
    if ! need kamailio; then
        verdict skipped peers "kamailio cannot be installed with apt"
        return
    fi
    build release build
    ROLLCALL_BINARY=$PWD/build/rollcall "$PYTHON" -m pytest -q -p no:cacheprovider \
        --junitxml="$RESULTS/peers.xml" tests/peers
}
