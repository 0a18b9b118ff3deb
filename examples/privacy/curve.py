"""Print how well randhie's target is predicted against ε, and digits are recognised, and plot it.

    python examples/privacy/curve.py [--runs 20] [--plot examples/privacy/curve.png] [--only randhie] [--json]

First a whole job, and of randhie one on exact sums: three owners, encryption, masks. Then for each ε so many runs of
what owners and Model Owner compute of their numbers, noise included, without the encryption in between, which adds up
exactly. R² is on the 4,000 rows of the test set; the median of the runs, and a tenth at either end. Digits take a
network, PyTorch, and a tenth of the runs: each is sixty steps of DP-SGD.
"""

from __future__ import annotations

import argparse
import json
import logging
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import structlog

from fedtrain import simulate
from fedtrain.data_owner.data.reduction import Reduction
from fedtrain.data_owner.data.rows.clip import RowClip
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
DIGITS_EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0)


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


def measured_digits(runs: int) -> list[dict[str, Any]]:
    """A line for a whole job, and one for each ε."""
    from digits_steps import accuracy, frozen, trained, write_digits

    document = json.loads((HERE / "digits.json").read_text())
    spec = ModelSpec.model_validate(document)
    with tempfile.TemporaryDirectory() as folder:
        test, *tables = write_digits(Path(folder) / "tables")
        found = simulate(document, tables, test=test)
        of_job = float((found.prediction or {})["metrics"]["accuracy"])
        claimed = document["privacy"]["epsilon"]
        lines: list[dict[str, Any]] = [{"epsilon": claimed, "what": "one job", "runs": 1, "accuracy": of_job}]
        examples = frozen(spec, tables, Path(folder))
        for epsilon in DIGITS_EPSILONS:
            given = {**document, "privacy": {**document["privacy"], "epsilon": epsilon}}
            rates = [
                accuracy(given, trained({**given, "training": {**given["training"], "seed": seed}}, examples), test)
                for seed in range(runs)
            ]
            low, middle, high = (float(value) for value in np.quantile(rates, [0.1, 0.5, 0.9]))
            ends = {"low": low, "high": high}
            lines.append({"epsilon": epsilon, "what": f"{epsilon:g}", "runs": runs, "accuracy": middle, **ends})
    return lines


def plot_digits(lines: list[dict[str, Any]], path: Path) -> None:
    """Draw accuracy against ε."""
    axes, save = _axes([line for line in lines if "low" in line], "accuracy", path)
    axes.set_ylim(0, 1)
    axes.set_xlabel("ε of each record, at δ = 1e-5")
    axes.set_ylabel("accuracy on 400 held-out digits")
    save()


def _axes(noised: list[dict[str, Any]], what: str, path: Path) -> tuple[Any, Callable[[], None]]:
    """Axes with the runs against ε, and what writes the picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), dpi=120)
    epsilons = [line["epsilon"] for line in noised]
    axes.fill_between(epsilons, [line["low"] for line in noised], [line["high"] for line in noised], alpha=0.2)
    axes.plot(epsilons, [line[what] for line in noised], marker="o", label="with noise: median, and 80% of the runs")
    axes.set_xscale("log")
    axes.set_xticks(epsilons, [f"{epsilon:g}" for epsilon in epsilons])

    def save() -> None:
        axes.legend(loc="lower right")
        figure.tight_layout()
        figure.savefig(path)

    return axes, save


def plot(lines: list[dict[str, Any]], path: Path) -> None:
    """Draw R² against ε, with exact sums as a line."""
    exact, noised = lines[0], [line for line in lines if "low" in line]
    axes, save = _axes(noised, "r2", path)
    axes.axhline(exact["r2"], linestyle="--", color="grey", label="exact sums")
    axes.set_ylim(min(0.0, *(line["r2"] for line in noised)) - 0.01, exact["r2"] + 0.01)
    axes.set_xlabel("ε of each record, at δ = 1e-6")
    axes.set_ylabel("R² on 4,000 held-out rows")
    save()


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality against epsilon, on randhie and on digits.")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--only", choices=("randhie", "digits"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found: dict[str, list[dict[str, Any]]] = {}
    if given.only != "digits":
        found["randhie"] = measured(given.runs)
    if given.only != "randhie":
        found["digits"] = measured_digits(max(1, given.runs // 10))
    if given.plot is not None and "randhie" in found:
        plot(found["randhie"], given.plot)
    if given.plot is not None and "digits" in found:
        plot_digits(found["digits"], given.plot.with_stem(f"{given.plot.stem}_digits"))
    if given.json:
        print(json.dumps(found))
        return
    for name, lines in found.items():
        show(name, lines)


def show(name: str, lines: list[dict[str, Any]]) -> None:
    """Print one table."""
    what, about = ("R²", TARGET) if name == "randhie" else ("accuracy", "400 digits")
    print(f"{'epsilon':>8} {'runs':>5} {what:>8} {'a tenth below':>14} {'a tenth above':>14}   ({about})")
    for line in lines:
        ends = f"{line['low']:>14.4f} {line['high']:>14.4f}" if "low" in line else ""
        quality = line["r2"] if name == "randhie" else line["accuracy"]
        print(f"{line['what']:>8} {line['runs']:>5} {quality:>8.4f} {ends}")


if __name__ == "__main__":
    main()
