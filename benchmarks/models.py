"""Distance of models trained with encrypted weights to exact logistic regression on the pooled rows.

    python -m benchmarks.models [--splits 10] [--json]

For each split of the credit, breast cancer and digits examples: the surrogate's weights from the rows that are not in
the test part, probabilities calibrated on one half of the test part, everything measured on the other half; beside them
scikit-learn's LogisticRegression on the same training rows, with the same l2, and what `lbfgs` comes to where owners
see the weights, to the tolerance of examples/digits/model_shared.json.

No party runs here. The sum of the owners' moments is that of the pooled rows, bit for bit, and `surrogate_weights`
and `shared_weights` reduce, encode and solve with the parties' own functions;
tests/jobs/models/test_models_benchmark.py holds their results to those of whole jobs. What they are held against,
`pooled_surrogate` and scikit-learn's, has no part in common with them but the encoded rows.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from fedtrain.data_owner.data.moments import Moments, moments_of
from fedtrain.data_owner.methods import SHARED
from fedtrain.data_owner.methods.answers import Affine, PreparedData, Question
from fedtrain.data_owner.release.fixed_point import fixed_point
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.model_owner.arithmetic.arrays import to_floats
from fedtrain.model_owner.methods.descent import DESCENTS
from fedtrain.model_owner.methods.descent.method import objective
from fedtrain.model_owner.methods.linear import trained_model
from fedtrain.model_owner.methods.moves import Ask, Done
from fedtrain.model_owner.results.classes import Classes, SurrogateClasses
from fedtrain.model_owner.results.probabilities import classification
from fedtrain.planning.plans import plan_spec, rounds_of
from fedtrain.protocol.messages.shared_weights import SharedWeights
from fedtrain.spec.model_spec import ModelSpec, Optimizer
from fedtrain.tabular import EncodedBatch, Encoder, open_declared_table

Floats = NDArray[np.float64]

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = ("credit", "breast_cancer", "digits")
TEST_SHARE = 0.3
HALF = 0.5
SHARED_TOLERANCE = 1e-3
SLOPES = {"minimax": 0.153, "taylor": 0.25}


@dataclass(frozen=True)
class Rows:
    """Encoded records. X: (rows, d), the last column ones. Y: (rows, k) of 0 and 1."""

    X: Floats
    Y: Floats

    @property
    def labels(self) -> NDArray[np.int64]:
        codes = np.rint(self.Y[:, 0]) if self.Y.shape[1] == 1 else self.Y.argmax(axis=1)
        return codes.astype(np.int64)

    def __getitem__(self, chosen: NDArray[np.intp]) -> Rows:
        return Rows(self.X[chosen], self.Y[chosen])


def read_example(name: str) -> tuple[ModelSpec, Rows]:
    """The spec of an example, and all its rows, encoded as it says: the test set's first, then the owners'."""
    spec = ModelSpec.model_validate_json((EXAMPLES / name / "model.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        paths = write_tables(name, Path(folder))
        tables = [read_table(path, spec) for path in paths]
    return spec, Rows(*(np.concatenate([getattr(table, part) for table in tables]) for part in ("X", "Y")))


def write_tables(name: str, folder: Path) -> list[Path]:
    """Run an example's make_data.py; the tables it wrote, test.csv first."""
    where = importlib.util.spec_from_file_location(f"make_{name}", EXAMPLES / name / "make_data.py")
    assert where is not None and where.loader is not None
    program = importlib.util.module_from_spec(where)
    where.loader.exec_module(program)
    paths: list[Path] = program.write_data(folder)
    return paths


def read_table(path: Path, spec: ModelSpec) -> Rows:
    """Encode one table."""
    encoder = Encoder.of_spec(spec)
    batches = list(encoder.encode_all(open_declared_table(path, spec.data_props).batches(encoder.columns)))
    return Rows(np.concatenate([batch.X for batch in batches]), np.concatenate([batch.Y for batch in batches]))


def surrogate_weights(spec: ModelSpec, tables: list[Rows]) -> Floats:
    """(d, k) minimum of the surrogate, from the owners' exact moments added up, as `newton` solves for it."""
    encoder = Encoder.of_spec(spec)
    total = Moments.zero(encoder.dimensions, encoder.outputs)
    for table in tables:
        total += moments_of([_batch(table)], encoder.feature_bounds, np.full(encoder.outputs, encoder.target_bound))
    scale = 2.0 ** (2 * total.fraction_bits)
    A, b = (np.array(part / scale, dtype=np.float64) for part in (total.xtx, total.xty))
    shift = np.array(total.column_sums / scale, dtype=np.float64)[:, None] * float(spec.kind.target_shift)
    assert spec.training.l2 != "auto"
    ridge = spec.training.l2 * np.eye(encoder.dimensions)
    ridge[-1, -1] = 0.0
    weights = np.linalg.solve(float(spec.kind.slope(spec.training)) * A + ridge, b - shift)
    return np.asarray(weights, dtype=np.float64)


def pooled_surrogate(spec: ModelSpec, rows: Rows) -> Floats:
    """(d, k) minimum of the surrogate in float64, by least squares on the rows themselves.

    No moments and none of the parties' functions: argmin Σ c·z²/2 − (y − ½)·z + l2·‖w‖²/2, the intercept free, is
    what lstsq finds for the rows √c·x → (y − ½)/√c and √l2·e_j → 0.
    """
    slope, l2 = SLOPES[spec.training.slope], spec.training.l2
    assert l2 != "auto"
    root = math.sqrt(slope)
    penalty = math.sqrt(l2) * np.eye(rows.X.shape[1])[:-1]
    wanted = np.vstack([(rows.Y - HALF) / root, np.zeros((len(penalty), rows.Y.shape[1]))])
    weights = np.linalg.lstsq(np.vstack([root * rows.X, penalty]), wanted, rcond=None)[0]
    return np.asarray(weights, dtype=np.float64)


def shared_weights(spec: ModelSpec, rows: Rows) -> tuple[Floats, int]:
    """(d, k) weights where owners see them, and the rounds: each answer is computed and encoded as an owner does."""
    training = spec.training.model_copy(
        update={"weights": "shared_with_owners", "optimizer": Optimizer.LBFGS, "tolerance": SHARED_TOLERANCE}
    )
    spec = spec.model_copy(update={"training": training})
    budget = plan_spec(spec)
    goal = objective(budget, spec, rounds_of(spec), len(rows.X))
    gradient, planned = SHARED[spec.model_type].answers[RoundKind.GRADIENT], budget.round(RoundKind.GRADIENT).answer
    data = PreparedData(budget, Moments.zero(*rows.X.shape[1:], *rows.Y.shape[1:]), rows=[rows])
    move, rounds = DESCENTS[training.optimizer].start(goal), 0
    while isinstance(move.next, Ask) and move.next.point is not None:
        values = to_floats(move.next.point, goal.weight_fraction_bits)
        asked = Question(RoundKind.GRADIENT, weights=SharedWeights({"weights": values}, ""))
        answer = fixed_point(gradient(data, asked), planned)
        assert not isinstance(answer, Affine)
        move, rounds = DESCENTS[training.optimizer].step(goal, move.state, answer), rounds + 1
    assert isinstance(move.next, Done)
    return move.next.weights, rounds


def _batch(rows: Rows) -> EncodedBatch:
    return EncodedBatch(rows.X, rows.Y, np.arange(len(rows.X)), {}, {}, {}, 0)


def measure(spec: ModelSpec, rows: Rows, seed: int) -> dict[str, Any]:
    """One split: the measures of the surrogate (calibrated), and of exact logistic regression, on the same rows."""
    order = np.random.default_rng(seed).permutation(len(rows.X))
    tests = round(TEST_SHARE * len(order))
    test, train = rows[order[:tests]], rows[order[tests:]]
    encoder = Encoder.of_spec(spec)
    surrogate = SurrogateClasses(spec, trained_model(surrogate_weights(spec, [train]), encoder))
    document = surrogate.on_test_set(surrogate.scores(test.X), test.Y, seed)
    kept = np.setdiff1d(np.arange(tests), document["calibration"]["rows"])
    assert spec.training.l2 != "auto"
    exact = LogisticRegression(C=1 / spec.training.l2, max_iter=10_000, tol=1e-8)
    exact.fit(train.X[:, :-1], train.labels)
    pooled = classification.metrics(exact.predict_proba(test.X[kept, :-1]), test.labels[kept])
    raw = test.X[kept] @ pooled_surrogate(spec, train)
    told = raw[:, 0] > 0 if raw.shape[1] == 1 else raw.argmax(axis=1)
    names = ("auc", "log_loss", "accuracy")
    weights, rounds = shared_weights(spec, train)
    exact_classes = Classes(spec, trained_model(weights, encoder))
    shared = exact_classes.on_test_set(exact_classes.scores(test.X[kept]), test.Y[kept], seed)["metrics"]
    return {
        "shared": {name: shared[name] for name in names},
        "shared_rounds": rounds,
        "encrypted": {name: document["metrics"][name] for name in names},
        "pooled_exact": {name: pooled[name] for name in names},
        "pooled_surrogate_accuracy": float(np.mean(told == test.labels[kept])),
    }


def benchmark(splits: int) -> dict[str, Any]:
    """Medians over the splits, by example: measures, and their differences and ratios split by split."""
    found: dict[str, Any] = {"splits": splits, "test_share": TEST_SHARE, "calibrated_on": HALF, "examples": {}}
    for name in NAMES:
        spec, rows = read_example(name)
        runs = [measure(spec, rows, seed) for seed in range(splits)]
        summary: dict[str, Any] = {"l2": spec.training.l2, "rows": len(rows.X)}
        for model in ("encrypted", "shared", "pooled_exact"):
            for measured in ("auc", "log_loss", "accuracy"):
                summary[f"{model}_{measured}"] = median(run[model][measured] for run in runs)
        summary["auc_below_exact"] = median(run["pooled_exact"]["auc"] - run["encrypted"]["auc"] for run in runs)
        summary["log_loss_over_exact"] = median(
            run["encrypted"]["log_loss"] / run["pooled_exact"]["log_loss"] for run in runs
        )
        summary["shared_accuracy_below_exact"] = median(
            run["pooled_exact"]["accuracy"] - run["shared"]["accuracy"] for run in runs
        )
        summary["shared_rounds"] = median(run["shared_rounds"] for run in runs)
        summary["pooled_surrogate_accuracy"] = median(run["pooled_surrogate_accuracy"] for run in runs)
        found["examples"][name] = summary
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Encrypted weights beside exact logistic regression on pooled rows.")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = benchmark(arguments.splits)
    if arguments.json:
        json.dump(found, sys.stdout, indent=1)
        print()
        return
    for name, summary in found["examples"].items():
        print(name)
        for measured, value in summary.items():
            print(f"  {measured:<28}{value:.5g}")


if __name__ == "__main__":
    main()
