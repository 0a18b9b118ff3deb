"""The `fedtrain` command against running services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

OWNERS = ("hospital-a", "hospital-b", "hospital-c")


def start_all(services: Any, data: Path) -> None:
    services.start("facilitator", "run_facilitator.sh")
    own = ("--facilitator", services.url("facilitator"))
    for name in OWNERS:
        services.start(name, "run_data_owner.sh", "--data", str(data / f"{name}.csv"), *own)
    services.start("model-owner", "run_model_owner.sh", "--test-data", str(data / "test.csv"), *own)
    while len(services.curl(services.url("facilitator", "/data-owners"))[1]) < len(OWNERS):
        time.sleep(0.1)


def fedtrain(services: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fedtrain.cli.main", *arguments]
    environment = {**os.environ, "FEDTRAIN_MODEL_OWNER": services.url("model-owner")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_deploy_status_predict_and_cancel(services: Any, diabetes_data: Path, diabetes_spec: dict[str, Any]) -> None:
    start_all(services, diabetes_data)
    early = fedtrain(services, "predict")
    assert early.returncode == 1
    assert len(early.stderr.splitlines()) == 1
    assert "No model has finished" in early.stderr or "no model" in early.stderr.lower()

    spec = services.folder / "model.json"
    spec.write_text(json.dumps(diabetes_spec))
    deployed = fedtrain(services, "deploy", str(spec), "--follow", "--json")
    model = printed(deployed)
    assert model["status"] == "FINISHED"
    assert "loss" in deployed.stderr

    listed = printed(fedtrain(services, "status", "--json"))
    assert [item["id"] for item in listed] == [model["id"]]
    assert model["id"] in fedtrain(services, "status").stdout
    assert "FINISHED" in fedtrain(services, "status", model["id"]).stdout
    unknown = fedtrain(services, "status", "0" * 32)
    assert unknown.returncode == 1
    assert len(unknown.stderr.splitlines()) == 1

    predicted = printed(fedtrain(services, "predict", "--model-id", model["id"], "--json"))
    assert len(predicted["values"]) == 66
    assert f"cost {predicted['cost']:.6f}" in fedtrain(services, "predict").stdout

    diabetes_spec["training"] |= {"optimizer": "gradient_descent", "rounds": 100_000, "tolerance": 0.0}
    spec.write_text(json.dumps(diabetes_spec))
    endless = printed(fedtrain(services, "deploy", str(spec), "--json"))
    assert endless["status"] in ("INITIATED", "IN_PROGRESS")
    cancelled = fedtrain(services, "cancel", endless["id"])
    assert cancelled.returncode == 0, cancelled.stderr
    assert printed(fedtrain(services, "status", endless["id"], "--json"))["status"] == "CANCELLED"
    again = fedtrain(services, "cancel", "0" * 32)
    assert again.returncode == 1


@pytest.mark.slow
def test_deploy_of_a_spec_that_is_refused_names_the_field(services: Any, diabetes_spec: dict[str, Any]) -> None:
    services.start("facilitator", "run_facilitator.sh")
    services.start("model-owner", "run_model_owner.sh", "--facilitator", services.url("facilitator"))
    diabetes_spec["training"]["key_bits"] = 1000
    spec = services.folder / "model.json"
    spec.write_text(json.dumps(diabetes_spec))
    refused = fedtrain(services, "deploy", str(spec), "--follow")
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "training.key_bits" in refused.stderr
