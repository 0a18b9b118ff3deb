"""POST /score: this owner's rows by a model that it does not see, and that does not see them."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fedtrain.data_owner.routes.parts import Parts
from fedtrain.protocol.documents.signed import JobId, Name
from fedtrain.protocol.messages.scoring import MAX_ROWS
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs
from fedtrain.spec.model_spec import Strict

_MODEL_ID = "0f4b6d1c9e7a4c52b8d3a6e5f1029384"

router = APIRouter(tags=["scoring"])


class ToScore(Strict):
    """`rows`: objects by column name (or position), or lists in feature order; or a `dataset` that is on offer here."""

    model_config = ConfigDict(json_schema_extra={"example": {"model_id": _MODEL_ID, "rows": [{"age": 0.03}, [0.01]]}})

    model_id: JobId
    rows: Annotated[list[Any], Field(max_length=MAX_ROWS)] | None = None
    dataset: Name | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.rows is None) == (self.dataset is None):
            raise ValueError("give exactly one of rows and dataset")
        return self


class Scores(BaseModel):
    """One value a row, in the units of the target; of a classifier probabilities, and the likeliest classes.

    `scores_left`: rows that the model's quota still allows, to all owners together.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"model_id": _MODEL_ID, "values": [172.4, 139.9], "scores_left": 8}}
    )

    model_id: str
    values: list[float] | list[list[float]]
    class_names: list[str] | None = None
    classes: list[str] | None = None
    scores_left: int | None = None


@router.post(
    "/score",
    dependencies=[needs(Permission.SCORE)],
    response_model_exclude_unset=True,
    summary="Score rows without showing them, by a model that stays hidden; counts against its quota",
)
async def score(body: ToScore, parts: Parts) -> Scores:
    return Scores(**await parts.scoring.score(body.model_id, body.rows, body.dataset))
