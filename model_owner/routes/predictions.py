"""/prediction and /predictions: how good a model is on the test set, and its values for given rows."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from fedtrain.model_owner.results.examined.curves import Curves, curves_of
from fedtrain.model_owner.results.examined.wrongly_read import WronglyRead
from fedtrain.model_owner.results.remarks import Remark
from fedtrain.model_owner.routes.access import MODEL_ID, ModelIdInPath, Service
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

router = APIRouter(tags=["predictions"])

LISTED = 1000
MAX_ROWS = 100_000
_PREDICTION_ID = "7e0d5b9c1a2f4d83b6c4e5f708192a3b"

Values = list[float] | list[list[float]]
ModelId = Annotated[str | None, Query(max_length=64, description="Default: the model that finished last.")]


class Calibration(BaseModel):
    """Probability = σ(slope·score + offset), one of each an output, fitted on some rows of the test set."""

    method: str
    slopes: list[float]
    offsets: list[float]
    rows: list[int]


class Clipped(BaseModel):
    """A row (by its place in `values`, from 0) with values outside declared ranges, and in which columns."""

    row: int
    columns: list[str]


class Decision(BaseModel):
    """A threshold for the second class's probability, chosen on so many test rows, and how the others fare by it."""

    threshold: float
    chosen_on: int
    recall: float | None
    precision: float | None
    accuracy: float


class PredictionView(BaseModel):
    """A model on a test set. Values and targets in raw units, one a row; of several targets, a list a row.

    Of a classifier, values are probabilities: of the second class where there are two, else a list of every class's;
    `classes` are the likeliest and `targets` the true ones. `calibration.rows` (from 0) are the rows that the
    probabilities were fitted on; cost and metrics are those of all the others. `left_out`: rows of the test set, from
    0, that lack a value and are not among `values`. `remarks`: what people must know.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _PREDICTION_ID,
                "model_id": MODEL_ID,
                "dataset_id": "5c1f0e8a7b6d4e3f9a2b1c0d8e7f6a5b",
                "cost": 2900.19,
                "metrics": {"mse": 2900.19, "mae": 42.79, "r2": 0.45},
                "values": [158.2, 101.9],
                "targets": [151.0, 75.0],
            }
        }
    )

    id: str
    model_id: str
    dataset_id: str
    cost: float
    metrics: dict[str, Any]
    values: Values
    targets: Values | list[str]
    class_names: list[str] | None = None
    classes: list[str] | None = None
    calibration: Calibration | None = None
    cost_is: str | None = None
    decision: Decision | None = None
    calibrated_coefficients: dict[str, float | dict[str, float]] | None = None
    clipped: list[Clipped] = []
    left_out: list[int] = []
    remarks: list[Remark] = []


class PredictionLine(BaseModel):
    """A prediction in a list."""

    id: str
    model_id: str
    dataset_id: str
    cost: float
    metrics: dict[str, Any]


class Rows(Strict):
    """Rows to score: objects by column name (or position, for columns given by it), or lists in feature order."""

    model_config = ConfigDict(json_schema_extra={"example": {"rows": [{"age": 0.03, "bmi": 0.06}, [0.01, -0.02]]}})

    rows: Annotated[list[Any], Field(max_length=MAX_ROWS)]
    model_id: Annotated[str, Field(max_length=64)] | None = None


class Scores(BaseModel):
    """One value a row, in the units of the target; of a classifier probabilities, and the likeliest classes.

    They are calibrated on the current test set, where it has enough rows of every class.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"model_id": MODEL_ID, "values": [172.4, 139.9]}})

    model_id: str
    values: Values
    class_names: list[str] | None = None
    classes: list[str] | None = None
    clipped: list[Clipped] = []
    remarks: list[Remark] = []


@router.get(
    "/prediction",
    dependencies=[needs(Permission.USE_MODELS)],
    response_model_exclude_unset=True,
    summary="Score the test set: cost, metrics, values beside true values",
)
async def predict(desk: Service, model_id: ModelId = None) -> PredictionView:
    return PredictionView(**await desk.predictions.shown(await desk.predictions.on_test_set(model_id)))


@router.get(
    "/prediction/curves",
    dependencies=[needs(Permission.USE_MODELS)],
    summary="A model on the test set as curves: ROC, precision by recall and calibration of classes, errors of values",
)
async def curves(desk: Service, model_id: ModelId = None) -> Curves:
    found = await desk.predictions.on_test_set(model_id)
    targets = (await desk.service.job(found.model_id)).spec.data_props.all_targets
    return await asyncio.to_thread(curves_of, found.document, [target.label for target in targets])


@router.get(
    "/models/{model_id}/wrongly-read",
    dependencies=[needs(Permission.READ_TEST_SET)],
    summary="Pictures of the test set that a classifier reads wrongly, 24 at most",
)
async def wrongly_read(model_id: ModelIdInPath, desk: Service) -> WronglyRead:
    return await desk.predictions.wrongly_read(model_id)


@router.post(
    "/prediction",
    dependencies=[needs(Permission.USE_MODELS)],
    response_model_exclude_unset=True,
    summary="Score rows: values out, in the order of the rows",
)
async def score(rows: Rows, desk: Service) -> Scores:
    model_id, values = await desk.predictions.of_rows(rows.model_id, rows.rows)
    return Scores(model_id=model_id, **values)


@router.get("/predictions", dependencies=[needs(Permission.USE_MODELS)], summary="The newest predictions, newest first")
async def predictions(desk: Service) -> list[PredictionLine]:
    found = await asyncio.to_thread(desk.store.predictions, LISTED)
    return [PredictionLine(**prediction.document) for prediction in found]


@router.get(
    "/predictions/{prediction_id}",
    dependencies=[needs(Permission.USE_MODELS)],
    response_model_exclude_unset=True,
    summary="A prediction that was made before",
)
async def prediction(
    prediction_id: Annotated[str, Path(max_length=64, examples=[_PREDICTION_ID])], desk: Service
) -> PredictionView:
    found = await asyncio.to_thread(desk.store.prediction, prediction_id)
    if found is None:
        raise Problem(Code.PREDICTION_NOT_FOUND, f"There is no prediction {prediction_id} here.")
    return PredictionView(**await desk.predictions.shown(found))
