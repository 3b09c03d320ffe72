#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The checklist of a release, in order; stops at the first point that does not hold. It changes nothing:
# what is left to do by hand is printed at the end.
#     tools/release-check.sh [--quick]     --quick: the short tests only
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(<VERSION)
quick=
[ "${1:-}" != --quick ] || quick=1

point() { echo "-- $*"; }

point "nothing is uncommitted"
[ -z "$(git status --porcelain)" ] || { git status --short; exit 1; }

point "v$version is no tag yet"
! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || { echo "the tag v$version is there"; exit 1; }

point "one version: binary, chart, openapi.yaml, and a section with a date in the changelog"
./dev build >/dev/null
/usr/bin/python3 tests/checks/version.py --release

point "the store's format is that of the last release, or the changelog says how to upgrade"
last=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)
format() { git show "$1:store/lmdb/internal.h" | sed -n 's/^#define FORMAT_VERSION *//p'; }
if [ -n "$last" ] && [ "$(format "$last")" != "$(format HEAD)" ]; then
    sed -n "/^## \[$version\]/,/^## \[/p" CHANGELOG.md | grep -qi 'format' ||
        { echo "FORMAT_VERSION changed since $last and the changelog is silent"; exit 1; }
fi

point "the tests"
if [ -n "$quick" ]; then ./dev test; else ./dev test --all; fi

point "the image"
./dev image "rollcall:$version"

cat <<END

All holds. By hand:
  git tag -s v$version -m "rollcall $version" && git push --tags
  push the image rollcall:$version; its digest goes into the release's notes
  helm package helm/rollcall && push it beside the image
  cmake -G Ninja -S . -B build/package -DROLLCALL_TESTS=OFF -DCMAKE_INSTALL_PREFIX=/usr &&
      cmake --build build/package && (cd build/package && cpack -G DEB)
  CHANGELOG.md: a new section [Unreleased]
END
