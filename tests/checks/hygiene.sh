#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every source file names its licence; nothing unfinished and no path of one machine is checked in.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
mapfile -t files < <(git ls-files)

for file in "${files[@]}"; do
    case $file in
    *.c | *.h | *.py | *.sh | dev | .ci/run | *.cmake | CMakeLists.txt | */CMakeLists.txt)
        [ -f "$file" ] || continue
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
            { echo "$file: no SPDX line"; bad=1; }
        ;;
    esac
done

# The words are put together here, so that this file does not find itself.
unfinished="TO""DO|FIX""ME|X""XX:"
found=$(git grep -nIE "\\b($unfinished)\\b" -- ':!tests/vectors' ':!*.svg') && { echo "$found"; bad=1; }
machine="(^|[^A-Za-z0-9_.{}/-])/(wo""rk|ro""ot|ho""me)/[A-Za-z0-9_.]"
found=$(git grep -nIE "$machine" -- ':!tests/vectors') && { echo "$found"; bad=1; }
found=$(git ls-files | grep -E '(\.pyc|\.o|\.orig|\.rej|~)$') && { echo "$found"; bad=1; }
exit $bad
