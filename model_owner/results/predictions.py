"""Scoring: a finished model on the Model Owner's test set, or on rows that are handed in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np

from fedtrain.model_owner.arithmetic.arrays import Floats
from fedtrain.model_owner.job_state import JobState
from fedtrain.model_owner.jobs.datasets import fingerprint
from fedtrain.model_owner.results.clipping import as_json as clipped_as_json
from fedtrain.model_owner.results.clipping import clipped_rows, remarks_on_clipped, remarks_on_rows
from fedtrain.model_owner.results.examined.wrongly_read import (
    MOST_EXAMPLES,
    WronglyRead,
    drawn,
    misread,
    picture_shape,
)
from fedtrain.model_owner.results.finished import fitted_of, remarks_on
from fedtrain.model_owner.results.fitted import Predicting, TrainedModel
from fedtrain.model_owner.results.remarks import as_json
from fedtrain.model_owner.store import Dataset, ModelStore, Prediction
from fedtrain.protocol.clock import Clock
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import EncodedBatch, Encoder
from fedtrain.tabular.errors import TableError
from fedtrain.tabular.reading.read import TableBatch, open_declared_table
from fedtrain.tabular.rows import row_batch

T = TypeVar("T")


class Predictions:
    """Scores finished models. A model and a test set have one prediction, computed when it is first asked for."""

    def __init__(self, store: ModelStore, clock: Clock, executor: Executor) -> None:
        self._store = store
        self._clock = clock
        self._executor = executor

    async def on_test_set(self, model_id: str | None) -> Prediction:
        """Score the current test set; without `model_id` by the model that finished last.

        Raises Problem: MODEL_NOT_FOUND, MODEL_NOT_FINISHED, NO_FINISHED_MODEL, NO_TEST_DATA, INVALID_DATA.
        """
        return await self._run(lambda: self._on_test_set(model_id))

    async def shown(self, prediction: Prediction) -> dict[str, Any]:
        """Return a prediction's document with the remarks on its model."""
        state, model = await asyncio.to_thread(
            lambda: (self._store.job(prediction.model_id), self._store.model(prediction.model_id))
        )
        document, more = prediction.document, dict[str, Any]()
        remarks = remarks_on_rows(document)
        if state is not None and model is not None:
            more, told = _predicting(state, model).explained(document)
            remarks = (*remarks_on(state, model), *told, *remarks)
        return {**document, **more, "remarks": as_json(remarks)}

    async def of_rows(self, model_id: str | None, rows: Sequence[object]) -> tuple[str, dict[str, Any]]:
        """Return the model's id, and a value (and class) for each row under `values` (`classes`, `class_names`).

        Raises Problem, also INVALID_ROWS, which names the row.
        """

        def score() -> tuple[str, dict[str, Any]]:
            state, model = self._finished(model_id)
            predicting, encoder = _predicting(state, model), Encoder.of_spec(state.spec)
            remarks = remarks_on(state, model)
            if not rows:
                return state.job_id, {"values": [], "clipped": [], "remarks": as_json(remarks)}
            try:
                batch = row_batch(rows, encoder.props)
                X = encoder.encode_feature_batch(batch).X
            except TableError as error:
                raise Problem(Code.INVALID_ROWS, f"{error.message}.", errors=[_error_of(error)]) from None
            scored = predicting.of_rows(predicting.scores(X), self._test_document(state, predicting))
            clipped = clipped_as_json(clipped_rows(encoder, batch, range(len(X))))
            told = as_json((*remarks, *remarks_on_clipped(clipped, len(X))))
            return state.job_id, {**scored, "clipped": clipped, "remarks": told}

        return await self._run(score)

    async def wrongly_read(self, model_id: str) -> WronglyRead:
        """Return pictures of the current test set that a classifier reads wrongly. Raises Problem as `on_test_set`."""
        return await self._run(lambda: self._wrongly_read(model_id))

    def _wrongly_read(self, model_id: str) -> WronglyRead:
        prediction, dataset = self._on_test_set(model_id), self._store.current_dataset()
        if dataset is None or dataset.id != prediction.dataset_id:
            raise Problem(Code.NO_TEST_DATA, "The test set was replaced at this very moment: ask again.")
        state, _ = self._finished(model_id)
        shape = picture_shape(state.spec.data_props)
        if shape is None or "classes" not in prediction.document:
            return WronglyRead(model_id=model_id, dataset_id=dataset.id)
        wrong, encoder = misread(prediction.document), Encoder.of_spec(state.spec)
        encoded = (batch for _, batch in _batches(encoder, dataset))
        examples = drawn(wrong[:MOST_EXAMPLES], encoder, encoded)
        return WronglyRead(model_id=model_id, dataset_id=dataset.id, wrong=len(wrong), shape=shape, examples=examples)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _finished(self, model_id: str | None) -> tuple[JobState, TrainedModel]:
        job_id = model_id or self._store.latest_finished()
        if job_id is None:
            raise Problem(Code.NO_FINISHED_MODEL, "No model has finished yet: deploy one, and wait.")
        state = self._store.job(job_id)
        if state is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"There is no model {job_id[:64]} here.")
        model = self._store.model(job_id)
        if state.phase is not Phase.FINISHED or model is None:
            raise Problem(Code.MODEL_NOT_FINISHED, f"Model {job_id} is {state.status}: it has no predictions.")
        return state, model

    def calibration(self, state: JobState) -> dict[str, Any] | None:
        """The slopes and offsets of a finished model's probabilities on the current test set, if it has any."""
        state, model = self._finished(state.job_id)
        fitted = fitted_of(state, model)
        document = self._test_document(state, fitted) if isinstance(fitted, Predicting) else None
        return None if document is None else document.get("calibration")

    def _test_document(self, state: JobState, predicting: Predicting) -> dict[str, Any] | None:
        """Return what a model's values are calibrated by; None where they are not, or there is no test set."""
        if not predicting.calibrates or self._store.current_dataset() is None:
            return None
        return self._on_test_set(state.job_id).document

    def _on_test_set(self, model_id: str | None) -> Prediction:
        state, model = self._finished(model_id)
        dataset = self._store.current_dataset()
        if dataset is None:
            raise Problem(Code.NO_TEST_DATA, "There is no test set: register one.")
        known = self._store.prediction_on(state.job_id, dataset.id)
        if known is not None:
            return known
        predicting = _predicting(state, model)
        scores, targets, clipped, left_out = _score(state, predicting, dataset)
        # The same test set is split in the same way for every model.
        seed = int(dataset.version[:16], 16)
        prediction_id = uuid4().hex
        document = {
            "id": prediction_id,
            "model_id": state.job_id,
            "dataset_id": dataset.id,
            "clipped": clipped,
            "left_out": left_out,
            **predicting.on_test_set(scores, targets, seed),
        }
        return self._store.put_prediction(
            Prediction(
                id=prediction_id,
                model_id=state.job_id,
                dataset_id=dataset.id,
                created_at=self._clock.now(),
                document=document,
            )
        )


def _predicting(state: JobState, model: TrainedModel) -> Predicting:
    """The job's model. Raises Problem(NO_PREDICTIONS) for one that only reports."""
    fitted = fitted_of(state, model)
    if not isinstance(fitted, Predicting):
        raise Problem(
            Code.NO_PREDICTIONS,
            f"Model {state.job_id} is a {state.spec.model_type}, which predicts nothing: GET /models/{{id}} has what "
            "it found.",
        )
    return fitted


def _score(
    state: JobState, predicting: Predicting, dataset: Dataset
) -> tuple[Floats, Floats, list[dict[str, Any]], list[int]]:
    """(rows, k) scores and encoded targets of a test set, read in batches, which rows were clipped where, and which of
    the file's, from 0, lack a value and are left out."""
    encoder = Encoder.of_spec(state.spec)
    values: list[Floats] = []
    targets: list[Floats] = []
    clipped: list[tuple[int, str]] = []
    left_out: list[int] = []
    for read, batch in _batches(encoder, dataset):
        before = sum(len(part) for part in values)
        kept = (batch.records - read.first_row).tolist()
        clipped += [(before + row, column) for row, column in clipped_rows(encoder, read, kept)]
        records = np.arange(read.first_row, read.first_row + read.rows)
        left_out += (np.setdiff1d(records, batch.records, assume_unique=True) - 1).tolist()
        values.append(predicting.scores(batch.X))
        targets.append(batch.Y)
    return np.concatenate(values), np.concatenate(targets), clipped_as_json(clipped), left_out


def _batches(encoder: Encoder, dataset: Dataset) -> Iterator[tuple[TableBatch, EncodedBatch]]:
    """Yield a test set's batches, as they are read and as they are encoded. Raises Problem(INVALID_DATA)."""
    path = Path(dataset.path)
    read: list[TableBatch] = []

    def watched(batches: Iterable[TableBatch]) -> Iterator[TableBatch]:
        for batch in batches:
            read[:] = [batch]
            yield batch

    try:
        if fingerprint(path)[0] != dataset.version:
            raise Problem(
                Code.INVALID_DATA, f"The test set {path.name} has changed since it was registered: register it again."
            )
        table = open_declared_table(path, encoder.props)
        for batch in encoder.encode_all(watched(table.batches(encoder.columns))):
            yield read[0], batch
    except (TableError, OSError) as error:
        raise Problem(
            Code.INVALID_DATA, f"The test set {path.name} does not fit the model's columns: {error}."
        ) from None


def _error_of(error: TableError) -> dict[str, object]:
    """`rows.INDEX.COLUMN`, counted from 0 as the body has it."""
    row = f".{error.rows[0] - 1}" if error.rows else ""
    column = f".{error.column}" if error.column else ""
    return {"field": f"rows{row}{column}", "message": f"{error.message}.", "code": error.code}
