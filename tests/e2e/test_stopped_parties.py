"""Parties that stand still for a while, as in a debugger or on a machine that swaps: the job waits and goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_services_and_curl import deploy, model, start_all, wait_ended, wait_round

pytestmark = pytest.mark.slow
#: Many more than the last that a party is stopped in: the job must not be over before somebody has looked.
ROUNDS = 60


def test_a_party_that_stands_still_is_waited_for_by_name_and_changes_no_digit(
    services: Any, diabetes_data: Path, diabetes_spec: dict[str, Any]
) -> None:
    diabetes_spec["training"] |= {"optimizer": "gradient_descent", "rounds": ROUNDS, "tolerance": 0.0}
    start_all(services, diabetes_data)
    undisturbed = wait_ended(services, deploy(services, diabetes_spec))
    assert undisturbed["status"] == "FINISHED", undisturbed

    model_id = deploy(services, diabetes_spec)
    at_facilitator = services.url("facilitator", f"/models/{model_id}")
    for number, name in enumerate(("hospital-b", "model-owner")):
        wait_round(services, model_id, 3 + 5 * number)
        group = services._processes[name].pid
        os.killpg(group, signal.SIGSTOP)
        try:
            while [one["name"] for one in services.curl(at_facilitator)[1]["waiting_for"]] != [name]:
                assert services.curl(at_facilitator)[1]["status"] == "IN_PROGRESS"
        finally:
            os.killpg(group, signal.SIGCONT)
    wait_round(services, model_id, 13)
    group = services._processes["facilitator"].pid
    os.killpg(group, signal.SIGSTOP)
    try:
        assert model(services, model_id)["status"] == "IN_PROGRESS"
    finally:
        os.killpg(group, signal.SIGCONT)
    disturbed = wait_ended(services, model_id)
    assert disturbed["status"] == "FINISHED", disturbed
    assert disturbed["coefficients"] == undisturbed["coefficients"]
