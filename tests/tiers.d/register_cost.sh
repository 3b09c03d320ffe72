# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Instructions a registration, against tests/bench/instructions.json.
LONG_TIERS="$LONG_TIERS register_cost"

tier_register_cost() {
    need valgrind
    build release build
    "$PYTHON" tests/checks/register_cost.py build
}
