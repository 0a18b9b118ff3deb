"""Fixtures shared by every test folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from phe.paillier import PaillierPrivateKey, PaillierPublicKey

from fedtrain.crypto.paillier.keys import generate_keypair
from fedtrain.service.store.database import sqlite_url
from tests.harness.applications import make_service, served

if TYPE_CHECKING:
    from tests.harness.postgresql import PostgreSql

__all__ = ["make_service", "served"]

# No test has a time limit: a busy machine must not turn a right answer into a failure. The same examples every time, so
# that a clone that passed passes again; `--hypothesis-profile=hunt` looks for others.
UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("repeatable", **UNTIMED, derandomize=True)
settings.register_profile("hunt", **UNTIMED, print_blob=True)
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """The same examples: hypothesis also draws constants that it reads in the code of whatever is loaded by then."""
    # Its pretty tracebacks show every local variable of every frame: half a minute for one of a group of errors.
    for processor in structlog.get_config()["processors"]:
        if isinstance(processor, structlog.dev.ConsoleRenderer):
            processor.exception_formatter = structlog.dev.plain_traceback
    # Not printed: what a service of another test's fixture logs meanwhile is no output of a command under test.
    structlog.configure(logger_factory=structlog.stdlib.LoggerFactory())
    if config.getoption("--hypothesis-profile") in (None, "repeatable"):
        providers.is_local_module_file = lambda _path: False  # it has no setting for it


NEEDS_TORCH = re.compile(r"^(import torch|from torch|pytestmark = .*mark\.torch)\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the files that need PyTorch where it is not installed; `pytest_terminal_summary` says so."""
    if collection_path.suffix != ".py" or find_spec("torch") is not None:
        return None
    return True if NEEDS_TORCH.search(collection_path.read_text(encoding="utf-8")) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, in one line."""
    if find_spec("torch") is None:
        terminalreporter.write_line(
            "PyTorch is not installed: tests that need it are left out (./run_tests.sh tells why)"
        )


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, by anyio's plugin."""
    return "asyncio"


@pytest.fixture(scope="session")
def small_keypair() -> tuple[PaillierPublicKey, PaillierPrivateKey]:
    """A 512-bit key pair: fast, and fit for tests only."""
    return generate_keypair(512, allow_small=True)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    """A PostgreSQL server. Tests that use it are slow: mark them so."""
    from tests.harness.postgresql import PostgreSql

    server = PostgreSql.make()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, on each kind of database that there is: what a store's contract is tested on."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "state.sqlite3")
    server: PostgreSql = request.getfixturevalue("postgresql")
    return server.new_database()
