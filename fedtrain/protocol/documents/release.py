"""The word of an owner's people on a finished model: whether its Model Owner may give it to others.

Of jobs that open sums on the way. Nothing but the Model Owner's word holds the model back; what the signature adds is
that nobody else can say that an owner agreed, or did not. Source: docs/protocol.md, "Models that people release".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from fedtrain.protocol.documents.signed import MOST_REASON, Document, Hash, JobId, PartyId
from fedtrain.spec.model_spec import check_printable

_Person = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(check_printable)]
_Reason = Annotated[str, Field(min_length=1, max_length=MOST_REASON), AfterValidator(check_printable)]


class ReleaseStatement(Document):
    """`decision` of `party` on the model of a job, whose log ended with the entry of hash `log_head`.

    `people`: who decided, as named at that owner. `why`: of a refusal alone, which needs it.
    """

    job_id: JobId
    manifest_hash: Hash
    roster_hash: Hash
    log_head: Hash
    party: PartyId
    decision: Literal["released", "refused"]
    people: Annotated[tuple[_Person, ...], Field(min_length=1, max_length=100)]
    why: _Reason | None = None

    @model_validator(mode="after")
    def _with_reason(self) -> Self:
        if (self.decision == "refused") != (self.why is not None):
            raise ValueError("why: a refusal has a reason, and nothing else has")
        return self

    @model_serializer(mode="wrap")
    def _without_unused(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = serialise(self)
        if self.why is None:
            fields.pop("why", None)
        return fields
