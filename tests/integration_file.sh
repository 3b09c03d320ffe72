#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# integration_file.sh FILE PYTEST-ARGUMENT...: one file of integration tests, where it can be had in a
# network of its own, so that files may run side by side and none takes a port that another gives
# back for a moment. Leaves its JUnit file and its output in $RESULTS; shows the output of a failure.
set -u
file=$1
shift
name=$(basename "$file" .py)
run=(/usr/bin/python3 -m pytest -q -p no:cacheprovider --junitxml="$RESULTS/$name.xml" "$@" "$file")
if [ "$(id -u)" = 0 ] && unshare -n true 2>/dev/null; then
    # baresip wants an interface that is not the loopback
    # shellcheck disable=SC2016
    run=(unshare -n sh -c 'ip link set lo up
        ip link add phones type veth peer name wall && ip addr add 10.99.0.1/24 dev phones
        ip link set phones up && ip link set wall up; exec "$@"' sh "${run[@]}")
fi
code=0
"${run[@]}" >"$RESULTS/$name.log" 2>&1 || code=$?
[ "$code" = 5 ] && code=0 # the arguments select none of this file
[ "$code" = 0 ] || { echo "-- $name"; cat "$RESULTS/$name.log"; }
exit "$code"
