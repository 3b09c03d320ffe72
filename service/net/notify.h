// SPDX-License-Identifier: Apache-2.0
// sd_notify(3)'s protocol, for systemd's Type=notify: a datagram to $NOTIFY_SOCKET.
#pragma once

// "READY=1", "STOPPING=1", "RELOADING=1", ...; nothing happens where nobody asked for it.
void notify_supervisor(const char *state);
