"""One job for all tests of this folder: they only look at what it left."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from protocol.server.logging import configure_logging
from tests.observability.observed_job import ObservedJob, observe


@pytest.fixture(scope="session")
def observed_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedJob]:
    """A job that ran to its end under json logs at the level debug."""
    root = logging.getLogger()
    handlers, level, stderr = root.handlers[:], root.level, sys.stderr
    log = io.StringIO()
    sys.stderr = log
    try:
        configure_logging("json", "debug")
        job = asyncio.run(observe(tmp_path_factory.mktemp("observed"), log))
    finally:
        sys.stderr = stderr
        root.handlers[:], root.level = handlers, level
        structlog.reset_defaults()
    yield job
