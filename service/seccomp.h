// SPDX-License-Identifier: Apache-2.0
// The system calls that the running service needs, and no others (seccomp-bpf by libseccomp):
// whoever finds a way in can start no program and trace no process.
#pragma once

#include <stddef.h>

// Call after all is open, before the first byte from outside is read; holds for all threads that
// are there and that come. Calls that are not allowed fail with EPERM. 0, or -1 with a sentence.
int seccomp_apply(char *why, size_t why_size);
