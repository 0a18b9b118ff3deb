"""Seven processes, one of them killed again and again during a job: nothing is lost, and nothing counts twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_services_and_curl import deploy, model, wait_ended

ROOT = Path(__file__).resolve().parents[2]
OWNERS = tuple(f"clinic-{letter}" for letter in "abcde")
PARTIES = ("facilitator", "model-owner", *OWNERS)
KILLS = 20
ROUNDS_A_KILL = 2
#: A third of them is left after the last kill: the job must not be over before somebody has looked.
ROUNDS = 60

pytestmark = pytest.mark.slow


def split_among_owners(data: Path, folder: Path) -> dict[str, Path]:
    """The example's training rows, dealt to five owners."""
    tables = [path.read_text().splitlines() for path in sorted(data.glob("hospital-*.csv"))]
    header, rows = tables[0][0], [row for table in tables for row in table[1:]]
    paths = {}
    for place, name in enumerate(OWNERS):
        paths[name] = folder / f"{name}.csv"
        paths[name].write_text("\n".join([header, *rows[place :: len(OWNERS)]]) + "\n")
    return paths


def start_all(services: Any, tables: dict[str, Path], test_data: Path) -> None:
    services.start("facilitator", "run_facilitator.sh")
    own = ("--facilitator", services.url("facilitator"))
    for name, table in tables.items():
        services.start(name, "run_data_owner.sh", "--data", str(table), *own)
    services.start("model-owner", "run_model_owner.sh", "--test-data", str(test_data), *own)
    while len(services.curl(services.url("facilitator", "/data-owners"))[1]) < len(tables):
        time.sleep(0.1)


def is_over(state: dict[str, Any]) -> bool:
    return state["status"] in ("FINISHED", "FAILED", "CANCELLED")


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def kill_in_round(services: Any, model_id: str, name: str, number: int, after_s: float) -> int:
    """Kill a party once the job has come to that round, and start it again at once; return the round it was in."""
    while not is_over(state := model(services, model_id)) and (state["round"] or 0) < number:
        time.sleep(0.01)
    assert not is_over(state), f"the job is {state['status']} before the kills were done: {state['reason']}"
    time.sleep(after_s)
    assert services.stop(name, signal.SIGKILL) == -signal.SIGKILL
    services.start_again(name)
    return int(state["round"] or 0)


def test_twenty_kills_leave_every_digit_as_it_was(
    services: Any, diabetes_data: Path, diabetes_spec: dict[str, Any], tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    draw = random.Random(seed)
    sys.stdout.write(f"seed {seed}\n")
    diabetes_spec["training"] |= {
        "optimizer": "gradient_descent",
        "rounds": ROUNDS,
        "tolerance": 0.0,
        "max_data_owners": len(OWNERS),
        "min_data_owners": len(OWNERS),
    }
    start_all(services, split_among_owners(diabetes_data, tmp_path), diabetes_data / "test.csv")
    undisturbed = wait_ended(services, deploy(services, diabetes_spec))
    assert undisturbed["status"] == "FINISHED", undisturbed

    # A party is hit at any point of a round, and not later: on a fast machine the job would be over before the kills.
    round_s = seconds_between(undisturbed["started_at"], undisturbed["ended_at"]) / (1 + ROUNDS)
    model_id = deploy(services, diabetes_spec)
    for kill in range(KILLS):
        name = draw.choice(PARTIES)
        number = kill_in_round(services, model_id, name, kill * ROUNDS_A_KILL, draw.uniform(0, round_s))
        sys.stdout.write(f"kill {kill + 1}: {name} in round {number}\n")
    disturbed = wait_ended(services, model_id)
    assert disturbed["status"] == "FINISHED", disturbed
    assert disturbed["coefficients"] == undisturbed["coefficients"]
    assert disturbed["loss"] == undisturbed["loss"]

    command = [
        sys.executable,
        "-m",
        "fedtrain.cli.main",
        "verify",
        model_id,
        "--facilitator",
        services.url("facilitator"),
    ]
    state_dir = str(services.folder / "model-owner")
    verified = subprocess.run(
        [*command, "--state-dir", state_dir, "--json"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["sums"] == 1 + ROUNDS
