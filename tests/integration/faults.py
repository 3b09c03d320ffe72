# SPDX-License-Identifier: Apache-2.0
"""Disks that fill up, fail or stall, clocks that jump, memory that ends: for the tests of faults."""
import contextlib
import errno
import mmap
import os
import pathlib
import struct
import subprocess

import pytest

from server import BINARY

LIBRARY = pathlib.Path(BINARY).parent / "tests" / "libfaults.so"
(HOLD, SYNC_ERROR, WRITE_ERROR, HELD, FAILED, ALLOCATIONS, FAIL_ALLOCATION, QUEUE_AGE, FILTER_ERROR, FILTER_MOST,
 FILTER_FD, PASS) = range(12)


def sanitized():
    return any(word in BINARY for word in ("asan", "tsan"))


class Faults:
    """The words that tests/faults/preload.c looks at."""

    def __init__(self, path):
        if sanitized():
            pytest.skip("a sanitizer's runtime wants to be the first library")
        if not LIBRARY.exists():
            pytest.skip("%s is not built" % LIBRARY)
        path.write_bytes(bytes(4096))
        with open(path, "r+b") as file:
            self.words = mmap.mmap(file.fileno(), 4096)
        self.env = {"LD_PRELOAD": str(LIBRARY), "ROLLCALL_FAULTS": str(path)}

    def __getitem__(self, word):
        return struct.unpack_from("i", self.words, 4 * word)[0]

    def __setitem__(self, word, value):
        struct.pack_into("i", self.words, 4 * word, value)


@contextlib.contextmanager
def small_disk(folder, size="16m"):
    """A tmpfs of its own at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "rollcall-test", str(folder)],
                          capture_output=True, text=True)
    if made.returncode:
        pytest.skip("no tmpfs can be mounted here: " + made.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_disk(folder):
    """Writes a file until nothing more fits; its path."""
    path = folder / "filler"
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return path


class Clock:
    """The machine's wall clock as the process sees it (libfaketime); the others go on as they are."""

    def __init__(self, path):
        library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        if sanitized():
            pytest.skip("a sanitizer's runtime wants to be the first library")
        if not library:
            pytest.skip("libfaketime is not installed")
        self.path = path
        self.env = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(path),
                    "FAKETIME_NO_CACHE": "1", "DONT_FAKE_MONOTONIC": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.set(0)

    def set(self, seconds):
        fresh = self.path.with_suffix(".new")
        fresh.write_text("%+d\n" % seconds)
        os.replace(fresh, self.path)


@contextlib.contextmanager
def memory_limit(name, size):
    """A cgroup with so many bytes; yields a function that puts a process into it."""
    for folder, knob in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        group = pathlib.Path(folder) / name
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / knob).write_text(str(size))
            break
        except OSError:
            group.rmdir()
    else:
        pytest.skip("no memory cgroup can be made here")

    def put(pid):
        (group / "cgroup.procs").write_text(str(pid))

    put.most = lambda: int(next(p for p in (group / "memory.max_usage_in_bytes", group / "memory.peak")
                                if p.exists()).read_text())
    try:
        yield put
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()
