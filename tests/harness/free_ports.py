"""Ports for services that are given theirs on the command line, and may be stopped and started again.

They are drawn from below the range that systems give to outgoing connections (32768 and up on Linux, 49152 on macOS):
a port out of that range can be taken by any connection between its drawing and its use, or while its service is down.
The processes of one test run draw from parts of their own: a port that is given and not listened on yet, or not at the
moment, looks free to all of them.
"""

from __future__ import annotations

import os
import random
import socket

_FIRST, _LAST = 20_000, 30_000
#: So many processes have a part of their own; further ones share.
_PARTS = 8
_given: set[int] = set()


def free_port() -> int:
    """A port of loopback that nothing listens on, and that this process has not given before."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of `count` such ports in a row."""
    draw = random.SystemRandom()  # another test run on this machine must draw others
    part = _part(os.environ.get("PYTEST_XDIST_WORKER", ""))
    while True:
        first = draw.randrange(part.start, part.stop - count)
        block = range(first, first + count)
        if _given.isdisjoint(block) and all(_is_free(port) for port in block):
            _given.update(block)
            return first


def _part(worker: str) -> range:
    """The ports of a worker of pytest-xdist, "gw0" and so on; the first part where there are no workers."""
    number = int(worker.removeprefix("gw") or 0) % _PARTS
    size = (_LAST - _FIRST) // _PARTS
    return range(_FIRST + number * size, _FIRST + (number + 1) * size)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: what is only left of a connection that was closed is nobody's.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
