"""`fedtrain.simulate`: whole jobs on tables that a program has, as paths, frames and arrays."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import fedtrain
from fedtrain import JobEnded, simulate
from fedtrain.spec.problems import Code, Problem

Floats = NDArray[np.float64]
FOUND = {"u": 3.0, "v": -2.0, "intercept": 5.0}


@pytest.fixture(autouse=True)
def small_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDTRAIN_ALLOW_SMALL_KEYS", "1")


def spec(**training: Any) -> dict[str, Any]:
    features = [{"col_idx": at, "name": name, "type": "continuous", "range": [0, 10]} for at, name in enumerate("uv")]
    props = {"features": features, "target": {"name": "y", "range": [-20, 40]}}
    small = {"key_bits": 512, "max_rows": 1000, "max_data_owners": 3, "tolerance": 1e-12}
    return {"model_type": "LINEAR_REGRESSION", "data_props": props, "training": {**small, **training}}


def by_place() -> dict[str, Any]:
    given = spec()
    given["data_props"] = {
        "features": [{"col_idx": at, "type": "continuous", "range": [0, 10]} for at in range(2)],
        "target": {"col_idx": 2, "range": [-20, 40]},
    }
    return given


def arrays(count: int = 4) -> list[Floats]:
    """(15, 3) each, of u, v and y = 3·u − 2·v + 5."""
    rng = np.random.default_rng(3)
    made = (rng.uniform(0, 10, (15, 2)) for _ in range(count))
    return [np.column_stack([X, X @ [3.0, -2.0] + 5.0]) for X in made]


def frames(count: int = 4) -> list[pd.DataFrame]:
    return [pd.DataFrame(one, columns=["u", "v", "y"]) for one in arrays(count)]


@pytest.fixture
def named_spec() -> dict[str, Any]:
    given = spec()
    for feature in given["data_props"]["features"]:
        del feature["col_idx"]
    return given


@pytest.mark.slow
def test_frames_train_the_model_and_the_test_set_scores_it(named_spec: dict[str, Any]) -> None:
    *tables, test = frames()
    outcome = simulate(named_spec, tables, test=test)
    assert outcome.coefficients == pytest.approx(FOUND, rel=1e-8)
    assert outcome.prediction is not None and outcome.prediction["cost"] < 1e-12
    assert outcome.model["status"] == "FINISHED"


@pytest.mark.slow
def test_arrays_are_read_by_place() -> None:
    outcome = simulate(by_place(), arrays(3))
    assert list(outcome.coefficients.values()) == pytest.approx(list(FOUND.values()), rel=1e-8)
    assert outcome.prediction is None


@pytest.mark.slow
def test_paths_train_too_and_files_come_back(named_spec: dict[str, Any], tmp_path: Path) -> None:
    paths = [tmp_path / f"{at}.csv" for at in range(3)]
    for path, frame in zip(paths, frames(3), strict=True):
        frame.to_csv(path, index=False)
    (tmp_path / "model.json").write_text(json.dumps(named_spec))
    outcome = simulate(tmp_path / "model.json", [paths[0], str(paths[1]), paths[2]], export=["json"])
    assert outcome.coefficients == pytest.approx(FOUND, rel=1e-8)
    assert json.loads(outcome.files["json"])["model_id"] == outcome.model["id"]


def test_tables_of_other_names_are_read_by_their_mappings(named_spec: dict[str, Any], tmp_path: Path) -> None:
    first, second, third = frames(3)
    (tmp_path / "a.toml").write_text('[columns.u]\nfrom = "U (tenths)"\nfactor = 0.1\n[columns.v]\ndecimal = ","\n')
    first["u"] *= 10
    first["v"] = [f"{value!r}".replace(".", ",") for value in first["v"].tolist()]
    first = first.rename(columns={"u": "U (tenths)"})
    outcome = simulate(named_spec, [first, second, third], mappings=[tmp_path / "a.toml", None, None])
    assert outcome.coefficients == pytest.approx(FOUND, rel=1e-8)
    with pytest.raises(ValueError, match="1 mappings for 2 tables: give one for each"):
        simulate(named_spec, [second, third], mappings=[tmp_path / "a.toml"])
    with pytest.raises(FileNotFoundError, match=r"b\.toml: there is no such file"):
        simulate(named_spec, [second, third], mappings=[None, tmp_path / "b.toml"])


@pytest.mark.slow
def test_a_loop_that_runs_is_not_minded() -> None:
    async def notebook() -> dict[str, Any]:
        return simulate(by_place(), arrays(3)).coefficients

    assert list(asyncio.run(notebook()).values()) == pytest.approx(list(FOUND.values()), rel=1e-8)


@pytest.mark.slow
def test_nothing_is_printed_and_the_programs_own_log_is_as_before(tmp_path: Path) -> None:
    np.save(tmp_path / "tables.npy", arrays(3))
    (tmp_path / "program.py").write_text(
        "import numpy, structlog\n"
        "from fedtrain import simulate\n"
        f"found = simulate({by_place()!r}, list(numpy.load('tables.npy')))\n"
        "print(len(found.coefficients), structlog.is_configured())\n"
    )
    command = [sys.executable, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("3 False\n", "")


@pytest.mark.slow
def test_a_job_without_a_model_says_why_owners_stood_aside() -> None:
    tables = arrays(3)
    tables[1][:, 0] *= 100  # outside the declared range, which is refused where nothing scales it
    given = by_place()
    given["training"]["scaling"] = "none"
    with pytest.raises(JobEnded, match=r"owner-2: .*range") as caught:
        simulate(given, tables)
    assert caught.value.model["status"] != "FINISHED"


def test_a_spec_that_is_refused_names_the_field() -> None:
    with pytest.raises(Problem) as caught:
        simulate({**by_place(), "model_type": "LINEAR"}, arrays(3))
    assert caught.value.code is Code.INVALID_SPEC
    assert "model_type" in str(caught.value.extra)


def test_a_path_that_is_no_file_and_an_array_of_another_shape_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        simulate(by_place(), [tmp_path / "none.csv"])
    with pytest.raises(ValueError, match=r"\(4,\)"):
        simulate(by_place(), [np.ones(4)])


def test_the_public_surface_is_what_it_was_agreed_to_be() -> None:
    assert set(fedtrain.__all__) == {
        "FederatedLinearRegression",
        "FederatedLogisticRegression",
        "FederatedNetwork",
        "JobEnded",
        "ModelOwner",
        "RemarkWarning",
        "load",
        "simulate",
        "split_among",
    }
    assert all(getattr(fedtrain, name).__name__ == name for name in fedtrain.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        fedtrain.nothing  # noqa: B018


@pytest.mark.slow
def test_the_pages_example_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text()
    code = "\n".join(line[4:] for line in page.splitlines() if line.startswith("    "))
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - the page's own code
    assert list(names["outcome"].coefficients.values()) == pytest.approx([3, -2, 5], rel=1e-6)
    assert "r2" in capsys.readouterr().out
