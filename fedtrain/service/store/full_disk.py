"""A disk without room is a Problem of the call that needed it, which is done again when there is room."""

from __future__ import annotations

import errno

from fedtrain.spec.problems import Code, Problem

_NO_ROOM = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}


def problem_of_disk(error: OSError) -> Problem | None:
    """Return what a write that found no room means, None for every other error.

    Neither names a file: what a party keeps in its state folder is its own.
    """
    why = None if error.errno is None else _NO_ROOM.get(error.errno)
    return None if why is None else Problem(Code.STORE_UNAVAILABLE, f"The state folder cannot be written now: {why}.")
