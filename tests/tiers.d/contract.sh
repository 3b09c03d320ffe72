# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# openapi.yaml lints clean, and the running service keeps it whatever schemathesis thinks up.
LONG_TIERS="$LONG_TIERS contract"

tier_contract() {
    build release build
    local code=0
    if node_modules redocly; then
        if (cd build/node && npx --no-install redocly lint --config ../../tests/node/redocly.yaml ../../openapi.yaml) \
            >"$RESULTS/redocly.log" 2>&1; then
            verdict passed "redocly: openapi.yaml"
        else
            verdict failed "redocly: openapi.yaml"
            cat "$RESULTS/redocly.log"
            code=1
        fi
    fi
    contract_venv || return $code
    if "$PYTHON" tests/schemathesis/run.py >"$RESULTS/schemathesis.log" 2>&1; then
        verdict passed schemathesis
    else
        verdict failed schemathesis
        tail -n 120 "$RESULTS/schemathesis.log"
        code=1
    fi
    return $code
}

# The pinned schemathesis in build/venv; false, and skipped, where it cannot be had.
contract_venv() {
    need python3-venv || { verdict skipped schemathesis "apt: no python3-venv"; return 1; }
    if ! cmp -s tests/schemathesis/requirements.txt build/venv/installed; then
        rm -rf build/venv
        { "$PYTHON" -m venv build/venv &&
            build/venv/bin/pip install -q --disable-pip-version-check -r tests/schemathesis/requirements.txt; } \
            >"$RESULTS/pip.log" 2>&1 ||
            { verdict skipped schemathesis "pip: $(grep -m 1 -i error "$RESULTS/pip.log")"; return 1; }
        cp tests/schemathesis/requirements.txt build/venv/installed
    fi
}
