"""Each party's service, as somebody meets it that may do nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from fedtrain.data_owner.app import create_app as create_data_owner
from fedtrain.data_owner.settings import DataOwnerSettings
from fedtrain.facilitator.app import create_app as create_facilitator
from fedtrain.facilitator.settings import FacilitatorSettings
from fedtrain.model_owner.app import create_app as create_model_owner
from fedtrain.model_owner.settings import ModelOwnerSettings
from fedtrain.service.runtime.system_clock import SystemClock

PARTIES: dict[str, Any] = {
    "facilitator": (create_facilitator, FacilitatorSettings),
    "data-owner": (create_data_owner, DataOwnerSettings),
    "model-owner": (create_model_owner, ModelOwnerSettings),
}


@pytest.fixture(params=list(PARTIES))
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FastAPI]:
    """A party's service without tokens, as it is put together. Sessions need no store, and it runs without one."""
    create, settings = PARTIES[request.param]
    with ThreadPoolExecutor(1) as executor:
        yield create(settings(state_dir=tmp_path, name="party"), clock=SystemClock(), executor=executor)
