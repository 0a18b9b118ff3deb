"""Logs of this process, put back after a test as they were."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def restored_logs() -> Iterator[None]:
    """Put structlog's configuration, the root logger's handlers and all loggers' levels back as they were."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    levels = {name: one.level for name, one in _loggers().items()}
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
        for name, one in _loggers().items():
            one.setLevel(levels.get(name, logging.NOTSET))
        structlog.configure(**config)


def _loggers() -> dict[str, logging.Logger]:
    known = logging.root.manager.loggerDict
    return {name: one for name, one in known.items() if isinstance(one, logging.Logger)}
