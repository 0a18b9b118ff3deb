"""Tasks: how the Facilitator, which calls nobody, hands work to parties that poll.

A task is durable and idempotent: `key` names it once for ever (a second task with the same key is the same task), and
a result that is given twice counts once. Any party can be a task's sender.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from fedtrain.protocol.documents.signed import JobId, PartyId
from fedtrain.spec.model_spec import Strict


class TaskKind(StrEnum):
    JOIN = "join"  # to a Data Owner: SignedDocument(Manifest), JSON → JoinAnswer, JSON
    COMPUTE = "compute"  # to a Data Owner: Compute, CBOR → RoundAnswer, CBOR
    SIGN_SET = "sign_set"  # to a Data Owner: SetRequest, CBOR → SetSignature, CBOR
    UNMASK = "unmask"  # to a Data Owner: UnmaskRequest, CBOR → Unmasking, CBOR
    STEP = "step"  # to the Model Owner: Step, CBOR → StepResult, CBOR
    END = "end"  # to either: JobEnd, JSON → {} , JSON
    SCORING = "scoring"  # Data Owner to Model Owner: ScoringAsk, CBOR → ScoringReply, CBOR
    SCORE = "score"  # Data Owner to Model Owner: SignedBytes(ScoreRequest), CBOR → ScoringReply, CBOR
    MODEL = "model"  # Data Owner to Model Owner: SignedBytes(ModelAsk), CBOR → ScoringReply of GivenModel, CBOR


#: What parties have for each other: `POST /tasks` takes these, and the Facilitator only passes them on.
PASSED_ON = frozenset({TaskKind.SCORING, TaskKind.SCORE, TaskKind.MODEL})


class TaskHeader(Strict):
    """A task as `GET /tasks` lists it; the request's bytes are at `GET /tasks/{id}/request`.

    `sequence` grows: `GET /tasks?after=N` lists only what came after N, so that a poll does not return at once for
    tasks that the caller is already at work on.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    kind: TaskKind
    sender: PartyId
    recipient: PartyId
    job_id: JobId | None
    key: Annotated[str, Field(max_length=200)]
    created_at: str
    sequence: Annotated[int, Field(ge=1)]


class TaskList(Strict):
    """The answer to `GET /tasks`."""

    tasks: Annotated[tuple[TaskHeader, ...], Field(max_length=10_000)]


CBOR_TYPE = "application/cbor"
JSON_TYPE = "application/json"
