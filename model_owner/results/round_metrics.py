"""Metrics of a network's rounds on the Model Owner's test set, which PyTorch computes in a process of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from fedtrain.methods.network.plan import network_plan
from fedtrain.model_owner.jobs.datasets import fingerprint
from fedtrain.model_owner.store import Dataset, ModelStore
from fedtrain.neural import EvaluationResult, EvaluationTask, ExamplesPart, Trainer, Weights
from fedtrain.neural.examples_files import ExamplesWriter
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.reading.read import open_declared_table


class RoundMetrics:
    """Evaluates the weights of rounds. Blocks.

    `folder`: where each job's test set lies as the worker reads it, in no backup, until the job ends.
    """

    def __init__(self, store: ModelStore, folder: Path, trainer: Trainer) -> None:
        self._store, self._folder, self._trainer = store, folder, trainer

    def of(self, job_id: str, spec: ModelSpec, weights: Weights) -> EvaluationResult | None:
        """Return losses and hits of these weights on the current test set, None where there is none.

        Raises Problem: INVALID_DATA for one that the job's columns cannot be read from, and as `Trainer.evaluate`.
        """
        dataset = self._store.current_dataset()
        if dataset is None:
            return None
        folder = self._folder / f"{job_id}-{dataset.version[:16]}.examples"
        if not folder.exists():
            self.forget(job_id)  # it may have had another test set before
            _write(spec, dataset, folder)
        plan = network_plan(spec)
        task = EvaluationTask(plan.checked, plan.local.loss, weights, ExamplesPart(folder, "validation"))
        return self._trainer.evaluate(task)

    def forget(self, job_id: str) -> None:
        """Delete what was written for a job."""
        for folder in self._folder.glob(f"{job_id}-*"):
            shutil.rmtree(folder)

    def forget_unfinished(self) -> None:
        """Delete what a crash left half written. Before anything is evaluated."""
        for folder in self._folder.glob(".*-*.examples"):
            shutil.rmtree(folder)


def _write(spec: ModelSpec, dataset: Dataset, folder: Path) -> None:
    encoder, path = Encoder.of_spec(spec), Path(dataset.path)
    # Not taken by a backup, nor for a whole one after a crash: the name begins with a dot.
    temporary = folder.with_name(f".{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700, parents=True)
    try:
        if fingerprint(path)[0] != dataset.version:
            raise Problem(
                Code.INVALID_DATA, f"The test set {path.name} has changed since it was registered: register it again."
            )
        examples = ExamplesPart(temporary, "validation")
        with ExamplesWriter(examples, encoder.dimensions, encoder.outputs) as writer:
            table = open_declared_table(path, spec.data_props)
            for batch in encoder.encode_all(table.batches(encoder.columns)):
                writer.add(batch.X, batch.Y)
        if not writer.rows:
            raise Problem(Code.INVALID_DATA, f"The test set {path.name} has no records.")
        temporary.rename(folder)
    except (TableError, OSError) as error:
        raise Problem(
            Code.INVALID_DATA, f"The test set {path.name} does not fit the model's columns: {error}."
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
