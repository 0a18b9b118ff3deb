"""`fedtrain simulate` on small tables, as a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import skops.io

SMALL_KEYS = {"key_bits": 512, "max_rows": 1000, "max_data_owners": 3, "tolerance": 1e-12}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """model.json, three owners' tables and test.csv of y = 3·u − 2·v + 5, without noise."""
    columns = {
        "features": [{"name": name, "type": "continuous", "range": [0, 10]} for name in ("u", "v")],
        "target": {"name": "y", "range": [-20, 40]},
    }
    spec = {"model_type": "LINEAR_REGRESSION", "data_props": columns, "training": SMALL_KEYS}
    (tmp_path / "model.json").write_text(json.dumps(spec))
    rng = np.random.default_rng(3)
    for name in ("a", "b", "c", "test"):
        u, v = rng.uniform(0, 10, (2, 15))
        rows = [f"{float(p)!r},{float(q)!r},{float(3 * p - 2 * q + 5)!r}" for p, q in zip(u, v, strict=True)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["u,v,y", *rows]) + "\n")
    return tmp_path


def simulate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fedtrain.cli.main", "simulate", "model.json", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "FEDTRAIN_ALLOW_SMALL_KEYS": "1", "PYTHONPATH": str(Path(__file__).parents[3])},
    )


@pytest.mark.slow
def test_it_finds_the_coefficients_and_scores_the_test_set(folder: Path) -> None:
    done = simulate(folder, "a.csv", "b.csv", "c.csv", "--test", "test.csv", "--json")
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    assert outcome["model"]["coefficients"] == pytest.approx({"u": 3.0, "v": -2.0, "intercept": 5.0}, rel=1e-8)
    assert outcome["prediction"]["cost"] < 1e-12
    assert sorted(path.name for path in folder.iterdir()) == ["a.csv", "b.csv", "c.csv", "model.json", "test.csv"]


def test_a_table_is_read_by_its_mapping(folder: Path) -> None:
    (folder / "b.csv").write_text((folder / "b.csv").read_text().replace("u,v,y", "ue,v,y"))
    (folder / "b.toml").write_text('[columns.u]\nfrom = "ue"\n')
    tables = ("a.csv", "b.csv", "c.csv")
    done = simulate(folder, *tables, "--mapping", "-", "--mapping", "b.toml", "--mapping", "-", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["model"]["coefficients"]
    assert found == pytest.approx({"u": 3.0, "v": -2.0, "intercept": 5.0}, rel=1e-8)
    few = simulate(folder, *tables, "--mapping", "b.toml")
    assert (few.returncode, few.stderr) == (
        1, "fedtrain: 1 mappings for 3 tables: give one for each, in their order\n"
    )  # fmt: skip


def test_ranges_that_are_asked_for_have_no_cost(folder: Path) -> None:
    columns = {"features": [{"name": "u", "type": "continuous", "range": [0, 10]}]}
    (folder / "model.json").write_text(
        json.dumps({"model_type": "RANGES", "data_props": columns, "training": {"key_bits": 512}})
    )
    done = simulate(folder, "a.csv", "b.csv", "c.csv")
    assert done.returncode == 0, done.stderr
    assert "limits" in done.stdout
    assert "cost" not in done.stdout


@pytest.mark.slow
def test_without_json_it_prints_coefficients_cost_and_progress(folder: Path) -> None:
    done = simulate(folder, "a.csv", "b.csv", "c.csv", "--test", "test.csv")
    assert done.returncode == 0, done.stderr
    assert "intercept" in done.stdout
    assert "cost" in done.stdout
    assert "round" in done.stderr


@pytest.mark.slow
def test_weights_are_shown_to_the_owners_where_the_spec_says_so(folder: Path) -> None:
    for path in folder.glob("*.csv"):
        rows = [line.split(",") for line in path.read_text().splitlines()]
        # Eightfold: an owner declines where fewer than ten rows share a class.
        lines = [",".join(rows[0]), *(f"{u},{v},{int(float(y) > 10)}" for u, v, y in 8 * rows[1:])]
        path.write_text("\n".join(lines) + "\n")
    spec = json.loads((folder / "model.json").read_text())
    spec["model_type"] = "LOGISTIC_REGRESSION"
    spec["data_props"]["target"] = {"name": "y", "categories": [0, 1]}
    spec["training"] |= {"weights": "shared_with_owners", "optimizer": "lbfgs", "l2": 1.0, "rounds": 4}
    (folder / "model.json").write_text(json.dumps(spec))
    done = simulate(folder, "a.csv", "b.csv", "c.csv", "--test", "test.csv", "--json")
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    assert outcome["model"]["leak"]["numbers_decrypted"] == 4 * 4
    assert outcome["prediction"]["calibration"] is None
    assert outcome["prediction"]["metrics"]["auc"] > 0.9


@pytest.mark.slow
def test_too_few_tables_for_the_spec_fail_in_one_line_more_than_the_progress(folder: Path) -> None:
    done = simulate(folder, "a.csv", "b.csv")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("fedtrain: the model is FAILED")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_one_table_alone_is_allowed_where_the_spec_says_so(folder: Path) -> None:
    refused = simulate(folder, "a.csv")
    assert refused.returncode == 1
    spec = json.loads((folder / "model.json").read_text())
    spec["training"] |= {"min_data_owners": 1, "max_data_owners": 1}
    (folder / "model.json").write_text(json.dumps(spec))
    allowed = simulate(folder, "a.csv", "--json")
    assert allowed.returncode == 0, allowed.stderr


@pytest.mark.slow
def test_a_spec_that_cannot_be_used_is_refused_by_its_field(folder: Path) -> None:
    spec = json.loads((folder / "model.json").read_text())
    spec["training"]["rounds"] = 0
    (folder / "model.json").write_text(json.dumps(spec))
    done = simulate(folder, "a.csv", "b.csv", "c.csv")
    assert done.returncode == 1
    assert "training.rounds" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_missing_table_is_named(folder: Path) -> None:
    done = simulate(folder, "a.csv", "nowhere.csv")
    assert done.returncode == 1
    assert "nowhere.csv" in done.stderr


@pytest.mark.slow
def test_a_table_that_does_not_fit_is_named_with_the_column(folder: Path) -> None:
    lines = (folder / "b.csv").read_text().splitlines()
    (folder / "b.csv").write_text("\n".join([lines[0], "tall,1.0,2.0", *lines[2:]]) + "\n")
    done = simulate(folder, "a.csv", "b.csv", "c.csv")
    assert done.returncode == 1
    (told,) = [line for line in done.stderr.splitlines() if line.startswith(str(folder / "b.csv"))]
    assert ": u: record 1 has 'tall'; a number is expected" in told
    assert done.stderr.splitlines()[-1].startswith("fedtrain: the model is FAILED")
    in_json = json.loads(simulate(folder, "a.csv", "b.csv", "c.csv", "--json").stdout)
    assert list(in_json["owners"]) == [str(folder / "b.csv")]


@pytest.mark.slow
def test_a_loss_stands_beside_the_round_that_it_is_of(folder: Path) -> None:
    spec = json.loads((folder / "model.json").read_text())
    # So many rounds that some are seen, however fast they are.
    spec["training"] |= {"optimizer": "gradient_descent", "rounds": 60, "tolerance": 0.0}
    (folder / "model.json").write_text(json.dumps(spec))
    done = simulate(folder, "a.csv", "b.csv", "c.csv", "--json")
    losses = {row["round"]: row["loss"] for row in json.loads(done.stdout)["model"]["history"]}
    told = re.findall(r"IN_PROGRESS, round (\d+) of \d+, loss ([\d.]+)", done.stderr)
    assert told
    for number, loss in told:
        assert float(loss) == pytest.approx(losses[int(number)], abs=1e-6)


@pytest.mark.slow
def test_the_model_and_its_exports_are_files_afterwards(folder: Path) -> None:
    options = ("--out", "trained.json", "--export", "m.json", "--export", "m.onnx", "--export", "m.skops")
    done = simulate(folder, "a.csv", "b.csv", "c.csv", *options)
    assert done.returncode == 0, done.stderr
    model = json.loads((folder / "trained.json").read_text())
    assert model["coefficients"] == pytest.approx({"u": 3.0, "v": -2.0, "intercept": 5.0}, rel=1e-8)
    assert json.loads((folder / "m.json").read_text())["model_id"] == model["id"]
    assert skops.io.load(folder / "m.skops").predict([[1.0, 2.0]]) == pytest.approx([4.0], rel=1e-8)
    session = onnxruntime.InferenceSession(folder / "m.onnx")
    feeds = {"u": np.array([[1.0]]), "v": np.array([[2.0]])}
    assert session.run(None, feeds)[0].ravel() == pytest.approx([4.0], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--export", "m.pkl"), (".onnx",)),
        (("--out", "nowhere/m.json"), ("nowhere",)),
        (("--policy", "no.toml"), ("no.toml",)),
    ],
)
def test_a_file_that_cannot_be_written_is_named_before_training(
    folder: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = simulate(folder, "a.csv", "b.csv", "c.csv", *options)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert "training" not in done.stderr


@pytest.mark.slow
def test_tables_are_those_of_deploy_with_standard_errors(folder: Path) -> None:
    spec = json.loads((folder / "model.json").read_text())
    spec["training"]["optimizer"] = "newton"
    (folder / "model.json").write_text(json.dumps(spec))
    done = simulate(folder, "a.csv", "b.csv", "c.csv", "--json")
    model = json.loads(done.stdout)["model"]
    shown = simulate(folder, "a.csv", "b.csv", "c.csv")
    assert shown.returncode == 0, shown.stderr
    if model["coefficient_table"] is None:
        assert model["no_coefficient_table"] in " ".join(shown.stdout.split())
    else:
        assert "std error" in shown.stdout and "least squares" in shown.stdout


@pytest.mark.slow
def test_several_outputs_are_columns_of_a_table(folder: Path) -> None:
    spec = json.loads((folder / "model.json").read_text())
    target = spec["data_props"].pop("target")
    spec["data_props"]["features"].pop()
    spec["data_props"]["targets"] = [target, {"name": "v", "range": [0, 10]}]
    (folder / "model.json").write_text(json.dumps(spec))
    done = simulate(folder, "a.csv", "b.csv", "c.csv")
    assert done.returncode == 0, done.stderr
    assert "{" not in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["u"])
    assert len(re.findall(r"-?\d+\.\d+", row)) >= 2


@pytest.mark.slow
def test_a_policys_rules_on_records_hold_as_at_owners(folder: Path) -> None:
    """Fifteen rows are below the policy's least number; whom it trusts does not matter among tables of one's own."""
    policy = folder / "policy.toml"
    policy.write_text(f'approval = "by_hand"\nmin_rows = 16\nmin_cell = 0\n[trust]\nmodel_owners = ["{"ab" * 32}"]\n')
    done = simulate(folder, "a.csv", "b.csv", "c.csv", "--policy", "policy.toml")
    assert done.returncode == 1, done.stdout
    assert "a.csv" in done.stderr and "16" in done.stderr
    policy.write_text(policy.read_text().replace("16", "15"))
    assert simulate(folder, "a.csv", "b.csv", "c.csv", "--policy", "policy.toml").returncode == 0


@pytest.mark.slow
def test_a_policys_least_roster_holds_too(folder: Path) -> None:
    (folder / "policy.toml").write_text('least_roster = 4\nmin_cell = 0\nmin_rows = 1\napproval = "by_hand"\n')
    done = simulate(folder, "a.csv", "b.csv", "c.csv", "--policy", "policy.toml")
    assert done.returncode == 1 and "roster" in done.stderr, done.stderr
