#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The release binary is what the compiler's and linker's options promise: a position-independent
# executable, relocations read-only before main, no executable stack, canaries, checked libc calls,
# no search path of libraries.
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=${1:-build/rollcall}
headers=$(readelf -hW "$binary")
segments=$(readelf -lW "$binary")
dynamic=$(readelf -dW "$binary")
symbols=$(readelf --dyn-syms -W "$binary")
bad=0

wants() { # WHAT TEXT PATTERN
    grep -Eq "$3" <<<"$2" || { echo "$binary: $1"; bad=1; }
}
refuses() { # WHAT TEXT PATTERN
    ! grep -Eq "$3" <<<"$2" || { echo "$binary: $1"; bad=1; }
}

wants "not position-independent" "$headers" '^ *Type: +DYN'
wants "not marked as PIE" "$dynamic" '\(FLAGS_1\).*\<PIE\>'
wants "no RELRO" "$segments" '^ *GNU_RELRO'
wants "binds lazily: RELRO is only partial" "$dynamic" '\(FLAGS_1\).*\<NOW\>'
wants "no GNU_STACK header" "$segments" '^ *GNU_STACK'
refuses "the stack is executable" "$segments" '^ *GNU_STACK.*\<RWE\>'
refuses "a segment is writable and executable" "$segments" '^ *LOAD.*\<RWE\>'
wants "no stack protector" "$symbols" '__stack_chk_fail'
wants "no fortified libc call" "$symbols" '__(memcpy|memmove|memset|snprintf|vsnprintf|fprintf|printf|read|recv|fread)_chk'
refuses "text relocations" "$dynamic" '\(TEXTREL\)'
refuses "a library search path" "$dynamic" '\((RPATH|RUNPATH)\)'
exit $bad
