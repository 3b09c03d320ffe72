# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The tiers of `./dev test`. A tier is a function tier_NAME and its name in one of the two lists
# below, nothing else. It leaves JUnit files or lines "passed|failed|skipped<TAB>name<TAB>reason" in
# $RESULTS, its own folder; tests/summary.py adds them all up. A tier that leaves nothing counts as
# one test by its exit code, and one that fails hides no other.

SHORT_TIERS="unit integration tools checks"
LONG_TIERS="clang lint asan tsan crash model fuzz parse_cost"
# A file tests/tiers.d/NAME.sh may define tier_NAME and add it to a list.
for more in tests/tiers.d/*.sh; do
    # shellcheck source=/dev/null
    [ ! -f "$more" ] || . "$more"
done

PYTHON=/usr/bin/python3

dev_test() {
    local tiers=$SHORT_TIERS tier
    case ${1:-} in
    --all) tiers="$SHORT_TIERS $LONG_TIERS" ;;
    ?*) tiers=$* ;;
    esac
    for tier in $tiers; do
        declare -F "tier_$tier" >/dev/null ||
            { echo "no tier '$tier'; there are: $SHORT_TIERS $LONG_TIERS" >&2; return 2; }
    done
    # shellcheck disable=SC2086
    need $BUILD_PACKAGES $TEST_PACKAGES
    rm -rf build/results
    local start code
    for tier in $tiers; do
        export RESULTS=$PWD/build/results/$tier
        mkdir -p "$RESULTS"
        start=$SECONDS
        echo "== $tier"
        set +e
        (set -e; "tier_$tier")
        code=$?
        set -e
        echo "$code" >"$RESULTS/code"
        echo "== $tier: $([ "$code" = 0 ] && echo ok || echo FAILED), $((SECONDS - start)) s"
    done
    "$PYTHON" tests/summary.py build/results
}

# verdict passed|failed|skipped NAME [REASON]
verdict() {
    printf '%s\t%s\t%s\n' "$1" "$2" "${3:-}" >>"$RESULTS/verdicts.tsv"
}

run_unit() { # FOLDER
    local folder=$1
    ctest --test-dir "$folder" -j 2 --timeout 300 --output-on-failure --no-tests=error \
        --test-output-size-passed 4000000 --test-output-size-failed 4000000 \
        --output-junit "$RESULTS/unit.xml" >"$RESULTS/ctest.log" 2>&1 ||
        { cat "$RESULTS/ctest.log"; return 1; }
    tail -n 4 "$RESULTS/ctest.log" | grep 'tests passed'
}

# The largest files first, two at a time: they wait more than they work.
run_integration() { # FOLDER PYTEST-ARGUMENT...
    local folder=$1
    shift
    # shellcheck disable=SC2011,SC2012
    ls -S tests/integration/test_*.py |
        ROLLCALL_BINARY=$PWD/$folder/rollcall xargs -P 2 -I FILE bash tests/integration_file.sh FILE "$@"
}

tier_unit() {
    build release build
    run_unit build
}

tier_integration() {
    build release build
    run_integration build -m "not long"
}

tier_tools() {
    "$PYTHON" -m pytest -q -p no:cacheprovider --junitxml="$RESULTS/tools.xml" tests/tools
}

tier_checks() {
    build release build >/dev/null
    local check name output
    for check in tests/checks/*.sh tests/checks/*.py; do
        name=${check##*/}
        # Those that count instructions have tiers of their own; a leading _ is a helper of others.
        case $name in *_cost.* | _*) continue ;; esac
        [ -f "$check" ] || continue
        if output=$(case $name in *.py) "$PYTHON" "$check" ;; *) bash "$check" ;; esac 2>&1); then
            verdict passed "$name"
        else
            verdict failed "$name"
            echo "-- $name"
            echo "$output"
        fi
    done
}

tier_clang() {
    # shellcheck disable=SC2086
    need $CLANG_PACKAGES
    build clang build-clang
    run_unit build-clang
}

tier_lint() {
    dev_lint
}

tier_asan() {
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:detect_leaks=1
    export UBSAN_OPTIONS=print_stacktrace=1
    build asan-ubsan build-asan
    local code=0
    run_unit build-asan || code=1
    run_integration build-asan -m "not long" || code=1
    return $code
}

tier_tsan() {
    export TSAN_OPTIONS=halt_on_error=0:second_deadlock_stack=1
    build tsan build-tsan
    local code=0
    run_unit build-tsan || code=1
    run_integration build-tsan -m "not long" || code=1
    return $code
}

tier_crash() {
    build release build
    ROLLCALL_CRASH_ROUNDS=${ROLLCALL_CRASH_ROUNDS:-50} run_integration build -k "kill_9 or long_"
}

tier_model() {
    build release build
    local binary found=
    for binary in build/test_*model*; do
        [ -x "$binary" ] || continue
        found=1
        if ROLLCALL_MODEL_OPS=${ROLLCALL_MODEL_OPS:-2000000} "$binary" >"$RESULTS/${binary##*/}.log" 2>&1; then
            verdict passed "${binary##*/}"
        else
            verdict failed "${binary##*/}"
            tail -n 40 "$RESULTS/${binary##*/}.log"
        fi
    done
    [ -n "$found" ] || verdict skipped model "no model test is built"
}

tier_fuzz() {
    # shellcheck disable=SC2086
    need $CLANG_PACKAGES
    [ -f tests/fuzz/CMakeLists.txt ] || { verdict skipped fuzz "there are no fuzz targets"; return; }
    build fuzz build-fuzz
    local target name
    for target in build-fuzz/tests/fuzz/fuzz_*; do
        name=${target##*/}
        if [ ! -f "$target" ] || [ ! -x "$target" ]; then continue; fi
        if dev_fuzz "$name" "${ROLLCALL_FUZZ_SECONDS:-10}" >"$RESULTS/$name.log" 2>&1; then
            verdict passed "$name"
        else
            verdict failed "$name"
            tail -n 40 "$RESULTS/$name.log"
        fi
    done
}

tier_parse_cost() {
    [ -f tests/checks/parse_cost.sh ] || { verdict skipped parse_cost "tests/checks/parse_cost.sh is not there"; return; }
    need valgrind
    build release build
    bash tests/checks/parse_cost.sh
}
