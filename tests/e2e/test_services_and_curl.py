"""Six processes, started by the launchers and driven with curl, and each of them stopped in the middle of a job."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWNERS = ("hospital-a", "hospital-b", "hospital-c")


def start_all(services: Any, data: Path) -> None:
    services.start("facilitator", "run_facilitator.sh")
    own = ("--facilitator", services.url("facilitator"))
    for name in OWNERS:
        services.start(name, "run_data_owner.sh", "--data", str(data / f"{name}.csv"), *own)
    services.start("model-owner", "run_model_owner.sh", "--test-data", str(data / "test.csv"), *own)
    while len(services.curl(services.url("facilitator", "/data-owners"))[1]) < len(OWNERS):
        time.sleep(0.1)


def deploy(services: Any, spec: dict[str, Any]) -> str:
    file = services.folder / "model.json"
    file.write_text(json.dumps(spec))
    json_type = ("-H", "Content-Type: application/json")
    status, body = services.curl(*json_type, "-X", "POST", services.url("model-owner", "/models"), "--data", f"@{file}")
    assert status == 202, body
    return str(body["id"])


def model(services: Any, model_id: str) -> dict[str, Any]:
    status, body = services.curl(services.url("model-owner", f"/models/{model_id}"))
    assert status == 200, body
    return dict(body)


def wait_ended(services: Any, model_id: str) -> dict[str, Any]:
    while True:
        state = model(services, model_id)
        if state["status"] in ("FINISHED", "FAILED", "CANCELLED"):
            return state
        time.sleep(0.1)


def wait_round(services: Any, model_id: str, number: int) -> None:
    while (model(services, model_id).get("round") or 0) < number:
        assert model(services, model_id)["status"] in ("INITIATED", "IN_PROGRESS")
        time.sleep(0.02)


def test_curl_trains_a_model_and_gets_its_predictions(
    services: Any, diabetes_data: Path, diabetes_spec: dict[str, Any]
) -> None:
    start_all(services, diabetes_data)
    prediction = services.url("model-owner", "/prediction")
    status, problem = services.curl(prediction)
    assert (status, problem["title"]) == (409, "No model has finished yet")
    assert services.curl(services.url("model-owner", "/models/" + "0" * 32))[0] == 404

    state = wait_ended(services, deploy(services, diabetes_spec))
    assert state["status"] == "FINISHED", state
    status, answer = services.curl(prediction)
    assert status == 200
    compare = [sys.executable, str(ROOT / "examples/diabetes/compare.py"), str(diabetes_data), "--json"]
    pooled = json.loads(subprocess.run(compare, check=True, capture_output=True, text=True).stdout)
    assert answer["cost"] == pytest.approx(pooled["cost"], rel=1e-6)
    assert len(answer["values"]) == len(answer["targets"]) == 66


def test_a_spec_with_an_unknown_field_is_refused_over_curl(
    services: Any, diabetes_data: Path, diabetes_spec: dict[str, Any]
) -> None:
    services.start("facilitator", "run_facilitator.sh")
    services.start("model-owner", "run_model_owner.sh", "--facilitator", services.url("facilitator"))
    file = services.folder / "model.json"
    file.write_text(json.dumps(diabetes_spec | {"colour": "red"}))
    url = services.url("model-owner", "/models")
    status, body = services.curl("-H", "Content-Type: application/json", url, "--data", f"@{file}")
    assert status == 422
    assert any("colour" in error["field"] for error in body["errors"])


@pytest.mark.slow
def test_services_stopped_in_the_middle_leave_the_coefficients_as_they_were(
    services: Any, diabetes_data: Path, diabetes_spec: dict[str, Any]
) -> None:
    diabetes_spec["training"] |= {"optimizer": "gradient_descent", "rounds": 40, "tolerance": 0.0}
    start_all(services, diabetes_data)
    undisturbed = wait_ended(services, deploy(services, diabetes_spec))
    assert undisturbed["status"] == "FINISHED", undisturbed

    model_id = deploy(services, diabetes_spec)
    for number, (name, how) in enumerate(
        [
            ("facilitator", signal.SIGTERM),
            ("hospital-b", signal.SIGTERM),
            ("model-owner", signal.SIGTERM),
            ("facilitator", signal.SIGKILL),
            ("hospital-c", signal.SIGKILL),
            ("model-owner", signal.SIGKILL),
        ]
    ):
        wait_round(services, model_id, 3 + 5 * number)
        services.stop(name, how)
        services.start_again(name)
    disturbed = wait_ended(services, model_id)
    assert disturbed["status"] == "FINISHED", disturbed
    assert disturbed["coefficients"] == undisturbed["coefficients"]


def test_a_service_ends_with_code_0_when_it_is_asked_to(services: Any) -> None:
    services.start("facilitator", "run_facilitator.sh")
    assert services.stop("facilitator", signal.SIGTERM) == 0
    services.start_again("facilitator")
    assert services.stop("facilitator", signal.SIGINT) == 0


def test_a_taken_port_is_told_in_one_line(services: Any) -> None:
    services.start("facilitator", "run_facilitator.sh")
    port = services.url("facilitator").rsplit(":", 1)[1]
    command = [str(ROOT / "run_facilitator.sh"), "--port", port, "--state-dir", str(services.folder / "second")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert port in done.stderr
