"""Jobs with windows, all parties in one process: the schedule, a restart within a window, and what is told of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedtrain.simulation.federation import Federation, federation
from fedtrain.spec.problems import Code, Problem

Floats = NDArray[np.float64]
OWNERS = ("alba", "bruma", "celta")
LOW, HIGH = -3.0, 5.0
HALF = 50.0


def make_table(seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    X = rng.uniform(LOW, HIGH, (20, 3))
    return np.column_stack([X, X @ [3.1, -2.7, 1.9] + rng.normal(0, 2, 20)])


def write_tables(folder: Path) -> dict[str, Path]:
    files = {}
    for seed, name in enumerate(OWNERS):
        files[name] = folder / f"{name}.csv"
        rows = [",".join(repr(float(value)) for value in row) for row in make_table(seed)]
        files[name].write_text("\n".join(["a,b,c,y", *rows]) + "\n")
    return files


def make_spec(**training: Any) -> dict[str, Any]:
    fields = {"key_bits": 1024, "max_rows": 1000, "max_data_owners": 3, "tolerance": 0.0, "rounds": 10}
    return {
        "model_type": "LINEAR_REGRESSION",
        "data_props": {
            "features": [{"col_idx": j, "type": "continuous", "range": [LOW, HIGH]} for j in range(3)],
            "target": {"col_idx": 3, "range": [-40, 60]},
        },
        "training": {**fields, **training},
    }


def scheduled(rounds: int, rate: float, momentum: float) -> Floats:
    """Coefficients in raw units after the schedule in float64, the intercept last."""
    table = np.vstack([make_table(seed) for seed in range(len(OWNERS))])
    half, middle = (HIGH - LOW) / 2, (HIGH + LOW) / 2
    A = np.column_stack([(table[:, :3] - middle) / half, np.ones(len(table))])
    w, before = np.zeros(4), np.zeros(4)
    for _ in range(rounds):
        gradient = A.T @ (A @ w - table[:, 3] / HALF) / len(table)
        w, before = w - rate * gradient + momentum * (w - before), w
    slopes = w[:3] / half * HALF
    return np.array([*slopes, w[3] * HALF - slopes.sum() * middle])


async def train(parties: Federation, spec: dict[str, Any]) -> dict[str, Any]:
    model = await parties.wait(await parties.deploy(spec))
    assert model["status"] == "FINISHED", model
    return model


async def window_of(parties: Federation, model_id: str) -> dict[str, Any] | None:
    """The window as the Facilitator shows it; None before the job is there, or under way."""
    answer = await parties.facilitator.http.get(f"/models/{model_id}")
    return None if answer.status_code == 404 else answer.json()["window"]


async def ended(parties: Federation, model_id: str) -> bool:
    return bool((await parties.facilitator.get(f"/models/{model_id}"))["ended_at"])


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "momentum"), [("gradient_descent", 0.0), ("momentum", 0.75)])
def test_the_result_is_the_schedule_s_in_float64(tmp_path: Path, optimizer: str, momentum: float) -> None:
    async def job() -> None:
        async with federation(tmp_path / "state", write_tables(tmp_path), allow_small_keys=True) as parties:
            model = await train(parties, make_spec(optimizer=optimizer, momentum=0.75, reencrypt_every=4))
            found = np.array(list(model["coefficients"].values()))
            np.testing.assert_allclose(found, scheduled(10, 0.25, momentum), rtol=1e-8)
            assert model["round"] == 10
            assert [row["round"] for row in model["history"]] == [4, 8, 10]
            assert model["window"] is None
            turns, vectors = 3, 1 if optimizer == "gradient_descent" else 2
            assert model["leak"]["numbers_decrypted"] == min(turns * vectors * 4, model["leak"]["of"])

    asyncio.run(job())


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum"])
def test_a_restart_in_the_middle_of_a_window_gives_the_same_bits(tmp_path: Path, optimizer: str) -> None:
    spec = make_spec(optimizer=optimizer, reencrypt_every=5)
    tables = write_tables(tmp_path)

    async def uninterrupted() -> dict[str, Any]:
        async with federation(tmp_path / "one", tables, allow_small_keys=True) as parties:
            return (await train(parties, spec))["coefficients"]

    async def interrupted() -> dict[str, Any]:
        folder = tmp_path / "two"
        async with federation(folder, tables, allow_small_keys=True) as parties:
            model_id = await parties.deploy(spec)
            while (await window_of(parties, model_id) or {"step": 0})["step"] < 3:
                await asyncio.sleep(0)
        async with federation(folder, tables, allow_small_keys=True) as parties:
            model = await parties.model_owner.get(f"/models/{model_id}")
            assert model["status"] == "IN_PROGRESS" and model["history"] == []
            return (await parties.wait(model_id))["coefficients"]

    one, two = asyncio.run(uninterrupted()), asyncio.run(interrupted())
    assert [value.hex() for value in one.values()] == [value.hex() for value in two.values()]


@pytest.mark.slow
def test_window_scale_and_bits_are_told_live(tmp_path: Path) -> None:
    async def job() -> None:
        async with federation(tmp_path / "state", write_tables(tmp_path), allow_small_keys=True) as parties:
            spec = make_spec(optimizer="gradient_descent", reencrypt_every=4, rounds=16)
            model_id = await parties.deploy(spec)
            seen: dict[int, dict[str, Any]] = {}
            metrics = ""
            own: set[int] = set()
            model = await parties.model_owner.get(f"/models/{model_id}")
            while model["status"] != "FINISHED" or not await ended(parties, model_id):
                window = await window_of(parties, model_id)
                if window is not None:
                    seen[window["step"]] = window
                    text = (await parties.facilitator.http.get("/metrics")).text
                    metrics = text if "fedtrain_bits_used{" in text else metrics
                model = await parties.model_owner.get(f"/models/{model_id}")
                own |= {model["window"]["step"]} if model["window"] is not None else set()
            assert len(seen) > 1  # whoever looks may miss steps, but not nearly all of them
            for step, window in seen.items():
                planned = model["plan"]["steps"][step]
                assert window["of"] == 4
                assert window["weight_fraction_bits"] == planned["weight_fraction_bits"]
                assert (window["bits_used"], window["bits_available"]) == (planned["bits_used"], 1022)
                assert window["bits_left"] == 1022 - planned["bits_used"]
            used = [seen[step]["bits_used"] for step in sorted(seen)]
            assert used == sorted(set(used))
            assert f'fedtrain_bits_used{{model_id="{model_id}"}}' in metrics
            assert f'fedtrain_window_step{{model_id="{model_id}"}}' in metrics
            assert own <= {0, 1, 2, 3} and own
            after = (await parties.facilitator.http.get("/metrics")).text
            assert f'fedtrain_bits_used{{model_id="{model_id}"}}' not in after
            assert (await parties.facilitator.get(f"/models/{model_id}"))["window"] is None

    asyncio.run(job())


@pytest.mark.slow
def test_the_event_stream_tells_of_every_window(tmp_path: Path) -> None:
    async def job() -> str:
        async with federation(tmp_path / "state", write_tables(tmp_path), allow_small_keys=True) as parties:
            model_id = await parties.deploy(make_spec(optimizer="gradient_descent", reencrypt_every=5))
            # In process a stream comes as a whole, once the job has ended.
            answer = await parties.model_owner.http.get(f"/models/{model_id}/events", timeout=None)
            return answer.text

    events = [line.removeprefix("data: ") for line in asyncio.run(job()).splitlines() if line.startswith("data: ")]
    windows = [json.loads(event)["window"] for event in events if "window" in json.loads(event)]
    assert len(windows) >= 2  # one when each window begins, and more where there is time to look
    for window in windows:
        assert window["of"] == 5
        assert window["bits_used"] + window["bits_left"] == window["bits_available"] == 1022
    # The scale at which windows begin stays the same; it grows within them.
    scales = {window["step"]: window["weight_fraction_bits"] for window in windows}
    assert scales[0] == 40
    assert [scales[step] for step in sorted(scales)] == sorted(set(scales.values()))
    rounds = [json.loads(event) for event in events if "gradient" in json.loads(event)]
    assert [row["round"] for row in rounds] == [5, 10]
    assert [row["loss"] for row in rounds] == [None, None]


@pytest.mark.slow
def test_the_plan_says_what_the_job_costs_before_and_while_it_runs(tmp_path: Path) -> None:
    async def job() -> None:
        async with federation(tmp_path / "state", write_tables(tmp_path), allow_small_keys=True) as parties:
            spec = make_spec(optimizer="momentum", reencrypt_every=5)
            deployed = await parties.model_owner.post("/models", spec)
            forecast = deployed["plan"]["forecast"]
            assert (forecast["owners"], forecast["rounds"], forecast["turns"]) == (3, 10, 2)
            # N, Σy², and twice the weights and those before them.
            assert (forecast["sums_decrypted"], forecast["sums_in_all"]) == (4 * 5 // 2 + 4, 4 * 5 // 2 + 4)
            assert forecast["seconds"]["data_owner_a_round"] > 0
            assert len(deployed["plan"]["steps"]) == 5
            model = await parties.wait(deployed["id"])
            counted = model["plan"]["forecast"]["bytes"]["model_owner"]
            assert model["plan"]["forecast"]["rows"] == 60
            roster_and_manifest = model["bytes_sent"] - counted["sent"]
            assert 0 < roster_and_manifest < 20_000

    asyncio.run(job())


TOO_LARGE: list[tuple[dict[str, Any], set[str]]] = [
    (
        {"key_bits": 320, "max_rows": 10**12, "weight_bound": 1e30, "max_data_owners": 10_000},
        {"key_bits", "max_rows", "max_data_owners", "weight_bound"},
    ),
    (
        {"optimizer": "gradient_descent", "reencrypt_every": 5, "learning_rate": 1e6, "l2": 1e4},
        {"reencrypt_every", "key_bits", "learning_rate", "l2"},
    ),
]


@pytest.mark.parametrize(("training", "fields"), TOO_LARGE, ids=["a plain round", "a window"])
def test_a_spec_that_does_not_fit_is_refused_with_the_smallest_change_of_each_field(
    tmp_path: Path, training: dict[str, Any], fields: set[str]
) -> None:
    async def job() -> None:
        async with federation(tmp_path / "state", {}, allow_small_keys=True) as parties:

            async def post(**changes: Any) -> tuple[int, dict[str, Any]]:
                answer = await parties.model_owner.http.post("/models", json=make_spec(**{**training, **changes}))
                return answer.status_code, answer.json()

            status, problem = await post()
            assert (status, problem["type"].rsplit("/", 1)[-1].rsplit(":", 1)[-1]) == (422, Code.DOES_NOT_FIT.slug)
            assert (
                problem["needed_bits"] > problem["available_bits"] == make_spec(**training)["training"]["key_bits"] - 2
            )
            fixes = dict(text.split(" ", 1) for text in problem["fixes"])
            assert set(fixes) == fields
            for field, text in fixes.items():
                value = json.loads(text.split(" ")[0].replace(",", ""))
                wanted = float(value) if field in ("weight_bound", "l2") else value
                assert (await post(**{field: wanted}))[0] == 202, (field, text)
                if field in ("max_rows", "max_data_owners", "reencrypt_every"):
                    assert (await post(**{field: wanted + 1}))[0] == 422, (field, text)

    asyncio.run(job())


def test_conjugate_gradient_takes_no_windows_and_says_why(tmp_path: Path) -> None:
    async def job() -> None:
        async with federation(tmp_path / "state", {}, allow_small_keys=True) as parties:
            with pytest.raises(Problem) as refused:
                await parties.deploy(make_spec(optimizer="conjugate_gradient", reencrypt_every=2))
            assert refused.value.code is Code.INVALID_SPEC
            assert "only the Model Owner can decrypt" in json.dumps(refused.value.extra)

    asyncio.run(job())
