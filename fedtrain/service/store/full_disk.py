"""A disk without room is a Problem of the call that needed it, which is done again when there is room."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from fedtrain.spec.problems import Code, Problem

T = TypeVar("T")
_NO_ROOM = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}


def problem_of_disk(error: OSError) -> Problem | None:
    """Return what a write that found no room means, None for every other error.

    Neither names a file: what a party keeps in its state folder is its own.
    """
    why = None if error.errno is None else _NO_ROOM.get(error.errno)
    return None if why is None else Problem(Code.STORE_UNAVAILABLE, f"The state folder cannot be written now: {why}.")


def problem_of_file(error: OSError | ValueError) -> Problem:
    """Return what any error of a file in the state folder means, in the system's words: these name no file."""
    full = problem_of_disk(error) if isinstance(error, OSError) else None
    words = getattr(error, "strerror", None) or type(error).__name__
    return full or Problem(Code.STORE_UNAVAILABLE, f"The state folder cannot be written now: {words}.")


async def call_in(executor: Executor, call: Callable[..., T], *arguments: object) -> T:
    """Return what a blocking call returns, made in a thread.

    Raises Problem(STORE_UNAVAILABLE) where the disk has no room, and whatever else `call` raises.
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(executor, partial(call, *arguments))
    except OSError as error:
        problem = problem_of_disk(error)
        if problem is None:
            raise
        raise problem from error
