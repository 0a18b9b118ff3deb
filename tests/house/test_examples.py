"""Every example end to end: its data, its spec, all parties, and the table that its compare.py prints."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedtrain.data_owner.policy.inspection import inspect_table
from fedtrain.data_owner.policy.rules import OwnerPolicy, table_findings
from fedtrain.simulation.federation import federation
from fedtrain.spec.columns import ARRAYS
from fedtrain.spec.model_spec import FeatureType, ModelSpec
from fedtrain.tabular.dictionary import Dictionary

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OWNERS = {"credit": 3, "breast_cancer": 5, "digits": 3, "digits/by_digit": 3}


def script(example: str, name: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / example / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def train(example: str, folder: Path) -> dict[str, Any]:
    """Train as the demo does, but in one process and with keys that protect nothing; the prediction, and the table."""
    script(example, "make_data.py", folder / "data")
    document = json.loads((EXAMPLES / example / "model.json").read_text())
    document["training"] |= {"key_bits": 768, "max_rows": 2000, "max_data_owners": OWNERS[example]}
    tables = {path.stem: path for path in sorted((folder / "data").glob("*.csv")) if path.name != "test.csv"}

    async def job() -> tuple[Any, Any]:
        test_data = folder / "data" / "test.csv"
        async with federation(folder / "parties", tables, test_data=test_data, allow_small_keys=True) as parties:
            model = await parties.wait(await parties.deploy(document))
            assert model["status"] == "FINISHED", model["reason"]
            assert len(model["owners"]) == OWNERS[example]
            return model, await parties.model_owner.get("/prediction", model_id=model["id"])

    model, prediction = asyncio.run(job())
    (folder / "prediction.json").write_text(json.dumps(prediction))
    arguments = (folder / "data", "--prediction", folder / "prediction.json")
    found = json.loads(script(example, "compare.py", *arguments, "--json"))
    printed = script(example, "compare.py", *arguments)
    return {"model": model, "data": folder / "data", "prediction": prediction, "found": found, "printed": printed}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return cache(lambda example: train(example, tmp_path_factory.mktemp(example.replace("/", "-"))))


@pytest.mark.slow
@pytest.mark.parametrize("example", OWNERS)
def test_federated_pooled_and_best_single_owner_are_in_one_table(trained: Any, example: str) -> None:
    outcome = trained(example)
    federated, pooled, single = outcome["found"]["table"]
    assert federated["trained"] == "federated"
    assert pooled["trained"] == "pooled"
    assert single["trained"].startswith("best single owner (")
    assert federated["rows"] == pooled["rows"] > single["rows"]
    # The table measures the federated model on its own, and comes to what the Model Owner reports.
    for name in ("log_loss", "accuracy", "auc"):
        assert federated[name] == pytest.approx(outcome["prediction"]["metrics"][name], rel=1e-9)
    assert federated["auc"] > pooled["auc"] - 0.02
    for row in (federated, pooled, single):
        assert f"{row['auc']:.5f}" in outcome["printed"]


def test_digits_dealt_by_digit_give_the_same_model_as_digits_dealt_at_random(trained: Any) -> None:
    at_random, by_digit = trained("digits"), trained("digits/by_digit")
    np.testing.assert_allclose(by_digit["prediction"]["values"], at_random["prediction"]["values"], rtol=1e-6)
    federated, _, single = by_digit["found"]["table"]
    assert federated["accuracy"] > single["accuracy"] + 0.4


def images(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(rows, 49) pixels on the scale of their declared range, 0 to 16, and a column of ones; (rows,) digits."""
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    return np.c_[(table[:, :-1] - 8) / 8, np.ones(len(table))], table[:, -1].astype(int)


def surrogate_of(D: np.ndarray, digits: np.ndarray, slope: float, l2: float) -> np.ndarray:
    """(49, 10) argmin of Σ slope·z²/2 − (y − ½)·z + l2·‖w‖²/2, the intercept free: least squares on stacked rows."""
    penalty = np.sqrt(l2) * np.eye(D.shape[1])[:-1]
    wanted = np.vstack([(np.eye(10)[digits] - 0.5) / np.sqrt(slope), np.zeros((len(penalty), 10))])
    return np.linalg.lstsq(np.vstack([np.sqrt(slope) * D, penalty]), wanted, rcond=None)[0]


@pytest.mark.parametrize("example", ["digits", "digits/by_digit"])
def test_digits_are_told_apart_as_by_the_surrogate_on_all_rows_in_one_place(trained: Any, example: str) -> None:
    """Its weights come from the tables alone, in float64: none of the project's own code has a part in them."""
    outcome = trained(example)
    parts = [images(path) for path in sorted(outcome["data"].glob("owner-*.csv"))]
    D, digits = (np.concatenate(part) for part in zip(*parts, strict=True))
    weights = surrogate_of(D, digits, slope=0.153, l2=1.0)
    test, labels = images(outcome["data"] / "test.csv")
    expected = test @ weights
    raw = np.array([list(by_digit.values()) for by_digit in outcome["model"]["coefficients"].values()])
    # Coefficients are of raw pixels.
    scores = np.c_[8 * test[:, :-1] + 8, np.ones(len(test))] @ raw
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-6)
    accuracy = np.mean(expected.argmax(axis=1) == labels)
    assert np.mean(scores.argmax(axis=1) == labels) == accuracy
    assert accuracy > 0.9
    # What GET /prediction says is these scores, calibrated, on the rows that calibrated nothing.
    fitted = outcome["prediction"]["calibration"]
    p = 1 / (1 + np.exp(-(expected * fitted["slopes"] + fitted["offsets"])))
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(outcome["prediction"]["values"], p, rtol=0, atol=1e-6)
    kept = np.setdiff1d(np.arange(len(test)), fitted["rows"])
    assert outcome["prediction"]["metrics"]["accuracy"] == np.mean(p[kept].argmax(axis=1) == labels[kept])


def test_calibrated_rows_are_left_out_for_all_three(trained: Any) -> None:
    outcome = trained("credit")
    fitted = outcome["prediction"]["calibration"]["rows"]
    assert outcome["found"]["test_rows"] == 200 - len(fitted)
    assert len(fitted) > 0


@pytest.mark.slow
@pytest.mark.parametrize("example", OWNERS)
def test_an_example_writes_the_same_tables_every_time(tmp_path: Path, example: str) -> None:
    for name in ("one", "two"):
        script(example, "make_data.py", tmp_path / name)
    written = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(written) == OWNERS[example] + 1
    assert "test.csv" in written
    for name in written:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_no_lender_has_a_category_that_points_at_few_applicants(tmp_path: Path) -> None:
    script("credit", "make_data.py", tmp_path)
    spec = ModelSpec.model_validate_json((EXAMPLES / "credit" / "model.json").read_text())
    types = {feature.type for feature in spec.data_props.features}
    assert types == set(FeatureType) - set(ARRAYS), "each type of a column that is one number or category"
    sizes = []
    for lender in "abc":
        rows = rows_of(tmp_path / f"lender-{lender}.csv")
        sizes.append(len(rows))
        for column in spec.data_props.columns:
            if column.categories is not None:
                counts = Counter(row[str(column.name)] for row in rows)
                assert set(counts) <= set(column.category_texts)
                assert min(counts.values()) >= 10
    assert len(set(sizes)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("example", [*OWNERS, "diabetes"])
def test_no_owners_policy_declines_an_example_or_makes_it_wait(tmp_path: Path, example: str) -> None:
    script(example, "make_data.py", tmp_path)
    spec = ModelSpec.model_validate_json((EXAMPLES / example / "model.json").read_text())
    own = EXAMPLES / example / "policy.toml"
    policy = OwnerPolicy.from_toml(own.read_text()) if own.exists() else OwnerPolicy()
    tables = [path for path in tmp_path.glob("*.csv") if path.name != "test.csv"]
    assert len(tables) == OWNERS.get(example, 3)
    dictionary = Dictionary(spec.data_props, "range")
    for table in tables:
        inspection = inspect_table(table, dictionary, max_leverage=policy.max_leverage)
        assert not spec.validates and table_findings(policy, inspection) == ()


def test_no_owner_has_all_digits_where_they_are_dealt_by_digit(tmp_path: Path) -> None:
    script("digits/by_digit", "make_data.py", tmp_path)
    held = [{row["digit"] for row in rows_of(tmp_path / f"owner-{name}.csv")} for name in "abc"]
    assert set.union(*held) == set("0123456789")
    assert sum(len(digits) for digits in held) == 10


@pytest.mark.parametrize("example", OWNERS)
def test_a_missing_folder_name_is_answered_with_the_usage(example: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example / "make_data.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.startswith("usage: make_data.py OUT_DIR")


@pytest.mark.slow
def test_a_table_that_does_not_fit_the_spec_is_not_compared(tmp_path: Path) -> None:
    script("credit", "make_data.py", tmp_path)
    table = tmp_path / "lender-b.csv"
    table.write_text(table.read_text().replace("household", "yacht", 1))
    command = [sys.executable, str(EXAMPLES / "credit" / "compare.py"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "purpose" in done.stderr
