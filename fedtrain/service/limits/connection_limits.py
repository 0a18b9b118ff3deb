"""Limits on how many connections a service holds, and how long it waits for somebody who says nothing."""

from __future__ import annotations

import resource
from dataclasses import dataclass

#: Descriptors kept for the store, tables, uploads, logs, and connections that are about to be closed.
RESERVED_DESCRIPTORS = 192
_PER_WORKER = 4
#: More than this only where somebody asks for it: each connection costs memory, too.
DEFAULT_MOST = 10_000


@dataclass(frozen=True)
class ConnectionLimits:
    """`head_timeout_s`: for a TLS handshake, or a request's line and headers, to come whole.

    `stall_timeout_s`: how much longer than at `SLOWEST_BYTES_PER_S` a body may take to come, or an answer to be read.
    `most`: connections at one time.
    """

    head_timeout_s: float = 10.0
    stall_timeout_s: float = 30.0
    most: int = 512


def fitting_connections(workers: int, asked: int | None = None) -> int:
    """Return how many connections the process's descriptors (RLIMIT_NOFILE) allow, `asked` or DEFAULT_MOST at most."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return asked or DEFAULT_MOST
    fitting = max(descriptors // 2, descriptors - RESERVED_DESCRIPTORS - _PER_WORKER * workers)
    return min(asked or DEFAULT_MOST, fitting)
