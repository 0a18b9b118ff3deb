"""One job for all tests of this folder: they only look at what it left."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterator

import pytest

from tests.harness.observed_job import ObservedJob, json_logs, observe


@pytest.fixture(scope="session")
def observed_job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedJob]:
    """A job that ran to its end under json logs at the level debug."""
    stderr, log = sys.stderr, io.StringIO()
    sys.stderr = log
    try:
        with json_logs():
            job = asyncio.run(observe(tmp_path_factory.mktemp("observed"), log))
    finally:
        sys.stderr = stderr
    yield job
