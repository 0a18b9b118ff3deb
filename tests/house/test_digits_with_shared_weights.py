"""The digits by exact logistic regression, dealt at random and dealt by digit, as the README has it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fedtrain.simulation.federation import federation
from tests.house.test_examples import EXAMPLES, script


def train(example: str, folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The finished model, and the table that compare.py prints."""
    script(example, "make_data.py", folder / "data")
    document = json.loads((EXAMPLES / "digits" / "model_shared.json").read_text())
    document["training"] |= {"key_bits": 768, "max_rows": 2000, "max_data_owners": 3}
    tables = {path.stem: path for path in sorted((folder / "data").glob("*.csv")) if path.name != "test.csv"}

    async def job() -> tuple[dict[str, Any], Any]:
        async with federation(
            folder / "parties",
            tables,
            test_data=folder / "data" / "test.csv",
            allow_small_keys=True,
            owner_settings={"share_weights": True},
        ) as parties:
            model = await parties.wait(await parties.deploy(document))
            assert model["status"] == "FINISHED", model["reason"]
            return model, await parties.model_owner.get("/prediction", model_id=model["id"])

    model, prediction = asyncio.run(job())
    (folder / "prediction.json").write_text(json.dumps(prediction))
    compared = script(example, "compare.py", folder / "data", "--prediction", folder / "prediction.json", "--json")
    return model, json.loads(compared)["table"]


@pytest.mark.slow
@pytest.mark.parametrize("example", ["digits", "digits/by_digit"])
def test_shared_weights_come_within_half_a_point_of_pooled_exact(tmp_path: Path, example: str) -> None:
    model, (federated, pooled, single) = train(example, tmp_path)
    assert model["converged"]
    assert model["round"] < 150
    assert abs(federated["accuracy"] - pooled["accuracy"]) <= 0.005
    assert federated["auc"] == pytest.approx(pooled["auc"], abs=1e-3)
    assert federated["log_loss"] == pytest.approx(pooled["log_loss"], rel=0.02)
    if example == "digits/by_digit":
        assert federated["accuracy"] > single["accuracy"] + 0.4
