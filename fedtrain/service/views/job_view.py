"""A job as every party tells its own people of it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

from fedtrain.protocol.states import Phase, Status


class JobView(BaseModel):
    """The fields that `GET /models` and `GET /models/{id}` have at every party; each adds what it alone knows.

    `phase`: where the job stands here. `round`: the last one that this party had to do with, of `rounds` at most.
    `reason` and `code`: why it ended as it did.
    """

    id: str
    status: Status
    phase: Phase
    round: int | None
    rounds: int | None
    reason: str | None
    code: str | None
    created_at: datetime

    def progress(self) -> dict[str, object]:
        """Return where the job stands, as its stream of events tells it."""
        told = {"id", "status", "phase", "round", "rounds", "reason", "code"}
        return self.model_dump(mode="json", include=told)
