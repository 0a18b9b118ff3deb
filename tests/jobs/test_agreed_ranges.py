"""Owners agree on ranges in one job, register their tables under them, and train in the next; under a strict policy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.simulation.federation import Federation, Party, federation
from fedtrain.spec.model_types.ranges import ColumnRange
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.mapping.agreed_ranges import asking_for_ranges, with_ranges
from tests.harness.one_process import write_table

ROWS, OWNERS = 200, ("ana", "bea", "cleo")
HEADER = ("age", "income", "days")
STRICT = OwnerPolicy(any_model_owner=True)
#: Wide limits, and for the last column none.
DICTIONARY: dict[str, Any] = {
    "features": [
        {"name": "age", "type": "discrete", "range": [-1000, 1000]},
        {"name": "income", "type": "continuous", "range": [0, 1e7], "missing": "drop"},
    ],
    "target": {"name": "days", "range": [-1e9, 1e9]},
}
TRAINING = {"key_bits": 512, "max_rows": 1000, "min_data_owners": 3, "max_data_owners": 3}
Scene = Callable[[Federation], Awaitable[None]]


def tables(extreme: float | None = None) -> dict[str, list[list[object]]]:
    """Three owners' rows; one income of the second is `extreme`."""
    found = {}
    for seed, name in enumerate(OWNERS):
        draw = np.random.default_rng(seed)
        age, income = draw.integers(18, 91, ROWS), draw.uniform(600, 4500, ROWS).round(2)
        days = (age / 10 + income / 1000 + draw.uniform(0, 3, ROWS)).round(2)
        found[name] = [[int(a), float(i), float(d)] for a, i, d in zip(age, income, days, strict=True)]
        found[name][7][1] = ""
    if extreme is not None:
        found["bea"][0][1] = extreme
    return found


def play(
    folder: Path,
    scene: Scene,
    rows: dict[str, list[list[object]]] | None = None,
    schema: dict[str, Any] | None = DICTIONARY,
    policy: OwnerPolicy = STRICT,
) -> None:
    settings: dict[str, Any] = {"data_dir": folder}
    if schema is not None:
        (folder / "wide.json").write_text(json.dumps(schema))
        settings["schema_file"] = folder / "wide.json"

    async def run() -> None:
        files = {name: write_table(folder / f"{name}.csv", part, HEADER) for name, part in (rows or tables()).items()}
        async with (
            asyncio.timeout(120),
            federation(folder, files, allow_small_keys=True, owner_settings=settings, owner_policy=policy) as parties,
        ):
            await scene(parties)

    asyncio.run(run())


async def asked(parties: Federation, **more: Any) -> dict[str, Any]:
    model_id = await parties.deploy({**asking_for_ranges(DICTIONARY), "training": TRAINING, **more})
    model = await parties.wait(model_id)
    assert model["status"] == "FINISHED", model
    return model


async def over(owner: Party) -> None:
    """Wait until the owner knows that its job has ended: until then it keeps to the schema that it joined with."""
    while (await owner.get("/models"))[0]["status"] != "FINISHED":
        await asyncio.sleep(0.05)


def ranges_of(model: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["range"] for one in model["ranges"]}


@pytest.mark.slow
def test_ranges_are_agreed_on_and_the_next_job_trains_under_them(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        model = await asked(parties)
        assert ranges_of(model) == {"age": [20.0, 100.0], "income": [500.0, 5000.0], "days": [5.0, 20.0]}
        income = next(one for one in model["ranges"] if one["name"] == "income")
        assert income["inner"] == [1000.0, 2000.0]
        assert (model["rows_total"], model["coefficients"]) == (None, None)
        assert (
            model["leak"]["numbers_decrypted"]
            == model["leak"]["of"]
            == sum(2 * len(one["bounds"]) for one in model["ranges"])
        )
        with pytest.raises(Problem) as refused:
            await parties.model_owner.post("/prediction", {"model_id": model["id"], "rows": [[1, 2, 3]]})
        assert refused.value.code is Code.NO_PREDICTIONS

        found = [ColumnRange.model_validate_json(json.dumps(one)) for one in model["ranges"]]
        agreed = with_ranges(DICTIONARY, found)
        assert agreed["features"][0]["range"] == [10, 200]
        for owner in parties.data_owners:
            await over(owner)
            await owner.post("/datasets", {"name": "default", "path": f"{owner.name}.csv", "schema": agreed})
        # One strict owner that had told sums of these rows under another encoding would wait for a person.
        trained = await parties.wait(
            await parties.deploy(
                {
                    "model_type": "LINEAR_REGRESSION",
                    "data_props": agreed,
                    "training": {**TRAINING, "optimizer": "newton"},
                }
            )
        )
        assert trained["status"] == "FINISHED", trained
        assert trained["coefficients"]["income"] == pytest.approx(1e-3, rel=0.2)

    play(tmp_path, scene)


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["drop", 1e7])
def test_one_persons_extreme_value_changes_nothing_that_is_told(tmp_path: Path, missing: object) -> None:
    """The sums told are those that there would be, were the millionaire a person like the others.

    Nor do min_cell - 1 missing values, for which whoever asks declares a larger one, make a number with that person.
    """
    age, income, days = (*DICTIONARY["features"], DICTIONARY["target"])
    dictionary = {"features": [age, {**income, "missing": missing}], "target": days}

    def thinned(extreme: float) -> dict[str, list[list[object]]]:
        rows = tables(extreme)
        for row in rows["bea"][7 : 6 + STRICT.min_cell]:
            row[1] = ""
        return rows

    async def scene(parties: Federation) -> None:
        model = await asked(parties, **asking_for_ranges(dictionary))
        income = next(one for one in model["ranges"] if one["name"] == "income")
        counted = [[row[1] for row in part if row[1] != ""] for part in thinned(4499.0).values()]
        for side, beyond in (("owners_below", np.less), ("owners_above", np.greater)):
            expected = [
                sum(int(beyond(part, bound).sum() >= STRICT.min_cell) for part in counted) for bound in income["bounds"]
            ]
            assert income[side] == expected
        assert max(income["owners_above"]) == 3

    play(tmp_path, scene, thinned(9_999_999.0), dictionary)


@pytest.mark.slow
def test_a_table_without_a_schema_is_asked_about_and_adopts_none(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        model_id = await parties.deploy({**asking_for_ranges(DICTIONARY), "training": TRAINING})
        for owner in parties.data_owners:
            while not (waits := await owner.get("/models")) or waits[0]["phase"] != "AWAITING_APPROVAL":
                await asyncio.sleep(0.05)
            assert "approving the job lets it ask about these columns" in waits[0]["waits_because"]
            shown = (await owner.get(f"/models/{model_id}"))["asked"]
            assert shown["model"] == "ranges on the grid round, at most 1 round"
            assert (shown["predicts"], shown["targets"]) == ("nothing", [])
            assert "at least min_cell of this owner's rows lie beyond it" in shown["leaves"]
            assert "nothing of fewer rows than min_cell, which is 10" in shown["leaves"]
            assert "moments" not in shown["leaves"]
            await owner.post(f"/models/{model_id}/approve", {})
        model = await parties.wait(model_id)
        assert ranges_of(model)["age"] == [20.0, 100.0]
        for owner in parties.data_owners:
            (dataset,) = await owner.get("/datasets")
            assert (dataset["encoding"], dataset["schema"]) == ("open", None)

    play(tmp_path, scene, schema=None)


def test_an_owner_with_fewer_rows_than_its_policy_wants_declines(tmp_path: Path) -> None:
    async def scene(parties: Federation) -> None:
        model_id = await parties.deploy({**asking_for_ranges(DICTIONARY), "training": TRAINING})
        model = await parties.wait(model_id)
        assert model["status"] == "FAILED"
        assert "cleo" in model["reason"] and "data-refused" in model["reason"], model["reason"]
        cleo = next(owner for owner in parties.data_owners if owner.name == "cleo")
        (job,) = await cleo.get("/models")
        assert "9 rows are in use, the policy's min_rows is 10" in job["reason"], job

    rows = tables()
    play(tmp_path, scene, {**rows, "cleo": rows["cleo"][20:29]})
