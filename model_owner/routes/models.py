"""/models: deploy, watch, cancel."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import Field, StrictInt

from fedtrain.model_owner import job as j
from fedtrain.model_owner.ending import ABOUT_VALUES
from fedtrain.model_owner.jobs.deploying import deployed
from fedtrain.model_owner.jobs.specs import spec_of
from fedtrain.model_owner.release import check_released
from fedtrain.model_owner.results.export import ExportFormat, export
from fedtrain.model_owner.results.finished import fitted_of, remarks_on
from fedtrain.model_owner.results.views import ModelLine, ModelView, line, suspects, view
from fedtrain.model_owner.routes.access import SPEC_EXAMPLE, Desk, IdempotencyKey, ModelIdInPath, Service
from fedtrain.protocol.documents.signed import Hash, SignedDocument
from fedtrain.protocol.states import Phase
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs
from fedtrain.service.web.responses import JSON_TYPE
from fedtrain.service.web.validation import parsed_object
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Code, Problem

router = APIRouter(prefix="/models", tags=["models"])

LISTED = 1000
_STATEMENT = {"document": '{"protocol":"1.0","job_id":"…"}', "signer": "1a" * 32, "signature": "5e" * 64}


class ApprovedRequest(Strict):
    """A request to be deployed. `rounds`, `epsilon`: fewer, or a smaller one, than it was asked with."""

    request: Hash
    rounds: Annotated[StrictInt, Field(ge=1)] | None = None
    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


async def shown(desk: Desk, model_id: str) -> ModelView:
    """Return all that is told of a job. Raises Problem(MODEL_NOT_FOUND)."""
    state = await desk.service.job(model_id)
    history, model = await asyncio.to_thread(lambda: (desk.store.history(model_id), desk.store.model(model_id)))
    elsewhere = await desk.views.of(state)
    forecast = await desk.service.forecast(state)
    shown = view(state, history, model, elsewhere, desk.service.refusals.get(model_id), forecast)
    if model_id in desk.service.test_problems:
        shown = shown.model_copy(update={"test_set_problem": desk.service.test_problems[model_id]})
    if state.ending is None or state.ending.code not in ABOUT_VALUES:
        return shown
    jobs = await asyncio.to_thread(desk.store.jobs, LISTED)
    return shown.model_copy(update={"may_have_caused": suspects(state, jobs)})


@router.post(
    "",
    dependencies=[needs(Permission.TRAIN_MODELS)],
    status_code=202,
    summary="Train a model: the job is planned, kept and started",
)
async def deploy(
    document: Annotated[
        dict[str, Any],
        Body(
            description="A model spec; or `request`, the id of a request that owners have approved, and where it is to "
            "take less than was asked, `rounds` or `epsilon`.",
            examples=[SPEC_EXAMPLE, {"request": "7c" * 32, "rounds": 20}],
        ),
    ],
    desk: Service,
    idempotency_key: IdempotencyKey = None,
) -> ModelView:
    approved = parsed_object(document, ApprovedRequest) if "request" in document else None
    if approved is None:
        spec = await asyncio.to_thread(spec_of, document)  # it may have 20,000 categories
    else:
        spec = await desk.requests.approved_spec(approved.request, approved.rounds, approved.epsilon)
    state = await deployed(desk.service, spec, idempotency_key, None if approved is None else approved.request)
    try:
        answer = await shown(desk, state.job_id)
        misfit = await asyncio.to_thread(desk.datasets.misfit, spec)
        return answer.model_copy(update={"test_set_problem": misfit})
    finally:  # the forecast first: it would have to share the processor with the search for primes
        desk.preparation.start(state.job_id)


@router.get("", dependencies=[needs(Permission.LOOK)], summary="The newest models, newest first")
async def models(desk: Service) -> list[ModelLine]:
    return [line(state) for state in await asyncio.to_thread(desk.store.jobs, LISTED)]


@router.get(
    "/{model_id}",
    dependencies=[needs(Permission.LOOK)],
    summary="Where a model stands: round, loss, for whom it waits; at the end its coefficients",
)
async def model(model_id: ModelIdInPath, desk: Service) -> ModelView:
    return await shown(desk, model_id)


@router.get(
    "/{model_id}/spec",
    dependencies=[needs(Permission.LOOK)],
    summary="The spec that a model was deployed with, defaults written out: its columns, as rows to score have them",
    responses={200: {"content": {JSON_TYPE: {"example": SPEC_EXAMPLE}}}},
)
async def spec(model_id: ModelIdInPath, desk: Service) -> dict[str, Any]:
    return (await desk.service.job(model_id)).spec.model_dump(mode="json", exclude_none=True)


@router.delete("/{model_id}", dependencies=[needs(Permission.TRAIN_MODELS)], summary="Cancel a job, at every party")
async def cancel(
    model_id: ModelIdInPath,
    desk: Service,
    reason: Annotated[str, Query(max_length=2000, examples=["wrong spec"])] = "Cancelled by the Model Owner.",
) -> ModelView:
    await desk.preparation.cancel(model_id, reason)
    return await shown(desk, model_id)


@router.post(
    "/{model_id}/resume",
    dependencies=[needs(Permission.TRAIN_MODELS)],
    status_code=202,
    summary="Go on with a job that waits, as after a restored backup: compare it with the Facilitator's state of it",
)
async def resume(model_id: ModelIdInPath, desk: Service) -> ModelView:
    await desk.preparation.take_up(model_id)
    return await shown(desk, model_id)


@router.post(
    "/{model_id}/sign-offs",
    dependencies=[needs(Permission.SHARE_MODELS)],
    summary="Hand in what an owner's people signed: that others may get the finished model, or may not",
    description="As `fedtrain sign-off JOB --out FILE` writes it. An owner decides once. The model is exported, and"
    " scored by owners, once every owner on the roster has agreed; a refusal keeps it from others for good.",
)
async def hand_in(
    model_id: ModelIdInPath,
    signed: Annotated[SignedDocument, Body(examples=[_STATEMENT])],
    desk: Service,
) -> ModelView:
    await desk.service.job(model_id)
    await desk.service.apply(model_id, j.StatementHandedIn(signed))
    return await shown(desk, model_id)


@router.get(
    "/{model_id}/export",
    dependencies=[needs(Permission.USE_MODELS)],
    response_class=Response,
    summary="A finished model as a file: JSON, ONNX, a scikit-learn pipeline that skops reads, or safetensors",
    description="A classifier's probabilities are calibrated as those of GET /prediction are now. ONNX and sklearn need"
    " the extra `export`. A missing value is replaced where its feature declares a constant for it.",
)
async def export_model(
    model_id: ModelIdInPath,
    desk: Service,
    chosen: Annotated[ExportFormat, Query(alias="format", description="Which file.")] = ExportFormat.JSON,
) -> Response:
    state = await desk.service.job(model_id)
    model = await asyncio.to_thread(desk.store.model, model_id)
    if state.phase is not Phase.FINISHED or model is None:
        raise Problem(Code.MODEL_NOT_FINISHED, f"Model {model_id} is {state.status}: there is nothing to export.")
    check_released(state, "export")
    calibration = await asyncio.to_thread(desk.predictions.calibration, state)
    fitted, remarks = fitted_of(state, model), remarks_on(state, model)
    made = await asyncio.to_thread(export, model_id, fitted, remarks, calibration, chosen)
    name = f"model-{model_id}.{made.suffix}"
    disposition = {"Content-Disposition": f"attachment; filename={name}"}
    return Response(made.content, media_type=made.media_type, headers=disposition)
