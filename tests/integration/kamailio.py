# SPDX-License-Identifier: Apache-2.0
"""How a Kamailio is started beside rollcall: by the tests of tests/peers and by ./dev bench."""
import shutil
import socket


def free_port():
    """A port that is free for UDP and TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return udp.getsockname()[1]


def command(config, folder, defines, shared_mb=64, private_mb=8, more=()):
    """The command line of one that stays in the foreground, logs to stderr and keeps its files in `folder`; `defines`
    are set for its preprocessor."""
    sets = [part for key, value in defines.items() for part in ("-A", "%s=%s" % (key, value))]
    return [shutil.which("kamailio"), "-DD", "-E", "-m", str(shared_mb), "-M", str(private_mb), "-w", str(folder),
            "-Y", str(folder), "-P", str(folder / "pid"), "-f", str(config)] + sets + list(more)
