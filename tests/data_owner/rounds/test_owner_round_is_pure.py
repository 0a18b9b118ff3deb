"""The state machine reaches no network, no store and no clock, not even through what it imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LOADED = "import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
WEB_STORE_AND_LOG = {"fastapi", "starlette", "uvicorn", "httpx", "sqlalchemy", "alembic", "structlog"}


def _loaded_by(module: str) -> set[str]:
    code = _LOADED.format(module=module)
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    "module", ["fedtrain.data_owner.round", "fedtrain.data_owner.policy.rules", "fedtrain.data_owner.release.answer"]
)
def test_it_loads_no_web_no_database_and_no_log(module: str) -> None:
    assert _loaded_by(module) & WEB_STORE_AND_LOG == set()


def test_the_service_around_it_does() -> None:
    assert _loaded_by("fedtrain.data_owner.app") >= WEB_STORE_AND_LOG - {"uvicorn"}
