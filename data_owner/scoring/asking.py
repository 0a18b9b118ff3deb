"""Questions of this owner to a Model Owner about a finished model, and its rows and their scores on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np

from fedtrain.crypto import Engine
from fedtrain.data_owner.data.datasets import check_unchanged, open_dataset
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.scoring.kept_scores import KeptScores
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Manifest, SignedDocument
from fedtrain.protocol.messages.rounds import from_cbor
from fedtrain.protocol.messages.scoring import MAX_ROWS, Floats, ScoringReply, probabilities
from fedtrain.protocol.messages.task_sizes import most_result_bytes
from fedtrain.protocol.messages.tasks import TaskHeader, TaskKind
from fedtrain.service.store.full_disk import call_in
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem
from fedtrain.tabular.encode import Encoder
from fedtrain.tabular.errors import TableError

_POLL_S = 20.0


class Facilitator(Protocol):
    """Calls that questions make of `fedtrain.client.facilitator.FacilitatorClient`."""

    async def manifest(self, job_id: str) -> SignedDocument: ...
    async def send_task(self, kind: TaskKind, recipient: str, job_id: str, nonce: str, body: bytes) -> TaskHeader: ...
    async def sent_result(self, task_id: str, most_bytes: int, *, wait_s: float) -> bytes | None: ...


@dataclass(frozen=True)
class ScoringParts:
    """Parts that scoring works with. `policy`: as it is now. `draw_hex`: fresh random digits, two a byte."""

    identity: Identity
    store: OwnerStore
    facilitator: Facilitator
    engine: Engine
    executor: Executor
    policy: Callable[[], OwnerPolicy]
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    draw_hex: Callable[[int], str]
    timeout_s: float
    allow_small_keys: bool
    kept: KeptScores


async def exchange(
    own: ScoringParts, kind: TaskKind, manifest: Manifest, body: bytes, nonce: str, tag: str
) -> tuple[bytes, str]:
    """Send a task to a job's Model Owner; return what it signed for an answer, and that one's hash.

    Raises Problem: what the Model Owner refuses with, NO_ANSWER, BAD_SIGNATURE.
    """
    plan = await call_in(own.executor, lambda: plan_spec(manifest.spec))
    most_bytes = most_result_bytes(kind, manifest.spec, plan)
    task = await own.facilitator.send_task(kind, manifest.model_owner, manifest.job_id, nonce, body)
    ends_at = own.monotonic() + own.timeout_s
    while (left_s := ends_at - own.monotonic()) > 0:
        reply = await own.facilitator.sent_result(task.id, most_bytes, wait_s=min(_POLL_S, left_s))
        if reply is not None:
            return from_cbor(reply, ScoringReply).open(tag, manifest.model_owner)
    raise Problem(Code.NO_ANSWER, f"{manifest.model_owner_name} did not answer the {kind} task in {own.timeout_s:g} s.")


def encoded_rows(
    store: OwnerStore, spec: ModelSpec, encoder: Encoder, rows: Sequence[object] | None, dataset: str | None
) -> Floats:
    """Return (rows, d) encoded features of rows (as `POST /prediction` takes them), or of a dataset on offer here.

    Raises Problem: INVALID_ROWS, also for more rows than one request has; INVALID_DATA, DATASET_NOT_FOUND.
    """
    try:
        if rows is not None:
            X = encoder.encode_features(rows).X if rows else np.empty((0, encoder.dimensions))
        else:
            X = _dataset(store, spec, encoder, dataset or "")
    except TableError as error:
        code = Code.INVALID_DATA if rows is None else Code.INVALID_ROWS
        raise Problem(code, f"{error.message}.", reason=error.code) from None
    if len(X) > MAX_ROWS:
        raise Problem(Code.INVALID_ROWS, f"{len(X)} rows are more than the {MAX_ROWS} of one request.")
    return X


def _dataset(store: OwnerStore, spec: ModelSpec, encoder: Encoder, name: str) -> Floats:
    found = store.dataset(name)
    if found is None:
        raise Problem(Code.DATASET_NOT_FOUND, f"Dataset {name!r} is not registered here.")
    check_unchanged(found)
    props = spec.data_props
    encoded: list[Floats] = []
    for batch in open_dataset(found, props).batches(props.features):
        encoded.append(encoder.encode_feature_batch(batch).X)
        if sum(map(len, encoded)) > MAX_ROWS:
            raise Problem(Code.INVALID_ROWS, f"Dataset {name!r} has more than the {MAX_ROWS} rows of one request.")
    return np.concatenate(encoded) if encoded else np.empty((0, encoder.dimensions))


def shown(
    spec: ModelSpec, encoder: Encoder, scores: Floats, calibration: Sequence[tuple[str, str]] | None = None
) -> dict[str, Any]:
    """Return values in the units of `POST /prediction`: of a classifier, probabilities and the likeliest classes."""
    if not spec.classifies:
        return {"values": _listed(scores * encoder.target_half_width)}
    shares = probabilities(scores, calibration)
    names = list(encoder.props.all_targets[0].category_texts)
    return {
        "values": _listed(shares[:, 1:] if shares.shape[1] == 2 else shares),
        "class_names": names,
        "classes": [names[index] for index in shares.argmax(axis=1)],
    }


def _listed(values: Floats) -> list[Any]:
    listed: list[Any] = values[:, 0].tolist() if values.shape[1] == 1 else values.tolist()
    return listed
