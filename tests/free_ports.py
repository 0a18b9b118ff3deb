"""Ports for services that are given theirs on the command line, and may be stopped and started again.

They are drawn from below the range that systems give to outgoing connections (32768 and up on Linux, 49152 on macOS):
a port out of that range can be taken by any connection between its drawing and its use, or while its service is down.
"""

from __future__ import annotations

import random
import socket

_FIRST, _LAST = 20_000, 30_000
_given: set[int] = set()


def free_port() -> int:
    """A port of loopback that nothing listens on, and that this process has not given before."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of `count` such ports in a row."""
    draw = random.SystemRandom()  # another test run on this machine must draw others
    while True:
        first = draw.randrange(_FIRST, _LAST - count)
        block = range(first, first + count)
        if _given.isdisjoint(block) and all(_is_free(port) for port in block):
            _given.update(block)
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: what is only left of a connection that was closed is nobody's.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
