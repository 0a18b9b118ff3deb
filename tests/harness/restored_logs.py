"""Logs of this process, put back after a test as they were."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def restored_logs() -> Iterator[None]:
    """Put structlog's configuration and the root logger's handlers and level back as they were."""
    root = logging.getLogger()
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.configure(**config)
