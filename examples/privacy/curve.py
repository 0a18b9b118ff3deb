"""Print how well randhie's target is predicted against ε, and plot it.

    python examples/privacy/curve.py [--runs 20] [--plot examples/privacy/curve.png] [--json]

First a whole job, and one on exact sums: three owners, encryption, masks. Then for each ε so many runs of what owners
and Model Owner compute of their numbers, noise included, without the encryption in between, which adds up exactly.
R² is on the 4,000 rows of the test set; the median of the runs, and a tenth at either end.
"""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import structlog

from fedtrain import simulate
from fedtrain.data_owner.data.reduction import Reduction
from fedtrain.data_owner.data.row_clip import RowClip
from fedtrain.data_owner.methods import NOISED
from fedtrain.data_owner.methods.answers import Places, Plain, PreparedData, Question
from fedtrain.data_owner.release.fixed_point import fixed_point
from fedtrain.data_owner.release.noise import with_noise
from fedtrain.model_owner.methods import method_of
from fedtrain.model_owner.methods.method import Finished, JobFacts, Opened
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.reading.read import open_declared_table

sys.path.insert(0, str(Path(__file__).resolve().parent))

from make_data import TARGET, write_data

HERE = Path(__file__).resolve().parent
EPSILONS = (0.1, 0.3, 1.0, 3.0, 10.0)


def r2_of(spec: dict[str, Any], coefficients: list[float], test: Any) -> float:
    """R² of the predictions for the rows of `test`, whose last column is the target."""
    low, high = zip(*(feature["range"] for feature in spec["data_props"]["features"]), strict=True)
    predicted = np.clip(test[:, :-1], low, high) @ np.array(coefficients[:-1]) + coefficients[-1]
    left, spread = test[:, -1] - predicted, test[:, -1] - test[:, -1].mean()
    return float(1 - (left @ left) / (spread @ spread))


def whole_job(spec: dict[str, Any], tables: list[Path]) -> list[float]:
    """The coefficients that all parties come to, the intercept's last."""
    return list(simulate(spec, tables).model["coefficients"].values())


def runs_of(document: dict[str, Any], tables: list[Path]) -> Iterator[list[float]]:
    """For ever, the coefficients with the noise of another release: by the owners' own stages, added up."""
    spec = ModelSpec.model_validate(document)
    plan, encoder, props = plan_spec(spec), Encoder.of_spec(spec), spec.data_props
    clip, places = (
        RowClip.of(spec, encoder.target_centres.tolist()),
        Places(list(range(encoder.dimensions)), list(range(encoder.outputs)), ""),
    )
    owners = []
    for path in tables:
        table = open_declared_table(path, props)
        reduction = Reduction(table.columns, props, props, spec.model_type, "range", None, b"k" * 32, clip)
        owners.append(PreparedData.of(reduction.part(table)[0].moments, plan, places=places))
    while True:
        seeds = [secrets.token_bytes(32) for _ in owners]
        facts, learning = JobFacts(spec, plan, 1, len(owners), None), None
        for number, kind in enumerate(plan.kinds):
            planned, sums = plan.round(kind).answer, 0
            for data, seed in zip(owners, seeds, strict=True):
                answer = NOISED.answers[kind](data, Question(kind))
                sums = sums + with_noise(fixed_point(answer, planned), planned, cast(Plain, answer).names, seed)
            taken = method_of(spec).step(facts, learning, Opened(kind, number, sums, datetime.now(UTC)))
            facts, learning = JobFacts(spec, plan, 1, len(owners), taken.rows_total), taken.learning
        yield list(cast(Finished, taken.next).model.report["coefficients"].values())


def measured(runs: int) -> list[dict[str, Any]]:
    """A line for exact sums, one for a whole job with noise, and one for each ε."""
    spec = json.loads((HERE / "model.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        test_path, *tables = write_data(Path(folder))
        test = np.loadtxt(test_path, delimiter=",", skiprows=1)
        exact = {name: value for name, value in spec.items() if name != "privacy"}
        lines: list[dict[str, Any]] = [
            {"epsilon": None, "what": "exact", "runs": 1, "r2": r2_of(exact, whole_job(exact, tables), test)},
            {
                "epsilon": spec["privacy"]["epsilon"],
                "what": "one job",
                "runs": 1,
                "r2": r2_of(spec, whole_job(spec, tables), test),
            },
        ]
        for epsilon in EPSILONS:
            claimed = {**spec, "privacy": {**spec["privacy"], "epsilon": epsilon}}
            found = [r2_of(spec, next(made), test) for made in [runs_of(claimed, tables)] for _ in range(runs)]
            low, middle, high = (float(value) for value in np.quantile(found, [0.1, 0.5, 0.9]))
            ends = {"low": low, "high": high}
            lines.append({"epsilon": epsilon, "what": f"{epsilon:g}", "runs": runs, "r2": middle, **ends})
    return lines


def plot(lines: list[dict[str, Any]], path: Path) -> None:
    """Draw R² against ε, with exact sums as a line."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    exact, noised = lines[0], [line for line in lines if "low" in line]
    figure, axes = plt.subplots(figsize=(6, 3.6), dpi=120)
    epsilons = [line["epsilon"] for line in noised]
    axes.fill_between(epsilons, [line["low"] for line in noised], [line["high"] for line in noised], alpha=0.2)
    axes.plot(epsilons, [line["r2"] for line in noised], marker="o", label="with noise: median, and 80% of the runs")
    axes.axhline(exact["r2"], linestyle="--", color="grey", label="exact sums")
    axes.set_xscale("log")
    axes.set_xticks(epsilons, [f"{epsilon:g}" for epsilon in epsilons])
    axes.set_ylim(min(0.0, *(line["r2"] for line in noised)) - 0.01, exact["r2"] + 0.01)
    axes.set_xlabel("ε of each record, at δ = 1e-6")
    axes.set_ylabel("R² on 4,000 held-out rows")
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="R² against epsilon on randhie.")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    lines = measured(given.runs)
    if given.plot is not None:
        plot(lines, given.plot)
    if given.json:
        print(json.dumps(lines))
        return
    print(f"{'epsilon':>8} {'runs':>5} {'R²':>8} {'a tenth below':>14} {'a tenth above':>14}   ({TARGET})")
    for line in lines:
        ends = f"{line['low']:>14.4f} {line['high']:>14.4f}" if "low" in line else ""
        print(f"{line['what']:>8} {line['runs']:>5} {line['r2']:>8.4f} {ends}")


if __name__ == "__main__":
    main()
