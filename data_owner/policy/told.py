"""A job whose sums this owner told, as it is remembered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.protocol.documents.consent import Parties
from fedtrain.protocol.documents.signed import JobId, Name, PartyId
from fedtrain.spec.model_spec import Strict


class Told(Strict):
    """A job whose first answer left, or was about to. `names`: the owners' own, by ascending party id as `roster`.

    `linked`: earlier rosters that sums of some of the same rows had gone to by then, or may have. `noised`: every
    number carried noise.
    """

    job_id: JobId
    told_at: str
    table: SummedTable
    roster: Parties
    names: Annotated[tuple[Name, ...], Field(max_length=10_000)] = ()
    linked: Annotated[tuple[tuple[PartyId, ...], ...], Field(max_length=100_000)] = ()
    noised: bool = False
