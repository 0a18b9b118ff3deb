"""POST /models/{id}/prediction and /personal: a finished network that was given to this owner, and its own copy."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fedtrain.data_owner.routes.deciders import DeciderName, person_of
from fedtrain.data_owner.routes.parts import Parts
from fedtrain.protocol.documents.signed import Name
from fedtrain.protocol.messages.scoring import MAX_ROWS
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import AnyCaller, needs
from fedtrain.spec.model_spec import Strict

_MODEL_ID = "0f4b6d1c9e7a4c52b8d3a6e5f1029384"

router = APIRouter(tags=["models"])

_JobIdPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="The job's id, the same at every party.")]


class ToPredict(Strict):
    """`rows`: objects by column name (or position), or lists in feature order; or a `dataset` that is on offer here.

    `personal`: by the copy that was trained on this owner's own records.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"rows": [{"text": "win a prize"}], "personal": False}})

    rows: Annotated[list[Any], Field(max_length=MAX_ROWS)] | None = None
    dataset: Name | None = None
    personal: bool = False

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.rows is None) == (self.dataset is None):
            raise ValueError("give exactly one of rows and dataset")
        return self


class OwnPrediction(BaseModel):
    """One value a row, in the units of the target; of a classifier probabilities, and the likeliest classes."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"model_id": _MODEL_ID, "personal": False, "values": [172.4, 139.9]}}
    )

    model_id: str
    personal: bool
    values: list[float] | list[list[float]]
    class_names: list[str] | None = None
    classes: list[str] | None = None


class ToTrain(Strict):
    """`epochs`: passes over this owner's records. `learning_rate`: the job's own where it is left out.

    `by`: who has it trained, as this owner's audit is to name this person; who is signed in is named by the account.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"epochs": 2, "learning_rate": 0.01}})

    epochs: Annotated[float, Field(gt=0, le=1000)] = 1.0
    learning_rate: Annotated[float, Field(gt=0, le=1e6)] | None = None
    by: DeciderName | None = None


class PersonalModel(BaseModel):
    """A copy of the network, trained further on this owner's records. It stays in `file`, here, and is never sent.

    `loss_before` and `loss_after`: of the network and of the copy on a `part` of the records: those that this owner
    holds out, or, in a job in which it holds none out, those that the copy was trained on.
    """

    model_id: str
    file: str
    hash: str
    epochs: float
    learning_rate: float
    part: Literal["training", "validation"]
    loss_before: float
    loss_after: float
    accuracy_before: float | None
    accuracy_after: float | None
    seconds: float


@router.post(
    "/models/{job_id}/prediction",
    dependencies=[needs(Permission.USE_MODELS)],
    response_model_exclude_unset=True,
    summary="Predict here, by a finished network that the job's spec gives to its owners",
)
async def predict(job_id: _JobIdPath, body: ToPredict, parts: Parts) -> OwnPrediction:
    return OwnPrediction(**await parts.given.predict(job_id, body.rows, body.dataset, personal=body.personal))


@router.post(
    "/models/{job_id}/personal",
    dependencies=[needs(Permission.USE_MODELS)],
    summary="Train a copy of a finished network on this owner's records; answers once it is trained",
)
async def personalise(job_id: _JobIdPath, body: ToTrain, parts: Parts, who: AnyCaller) -> PersonalModel:
    person = person_of(body.by, who)
    told = await parts.given.personalise(
        job_id, body.epochs, body.learning_rate, token_id=person.token_id, by=person.by, signed_in=person.signed_in
    )
    return PersonalModel(**told)
