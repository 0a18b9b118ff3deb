"""Parts that the routes work on; there once the service has started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from fedtrain.data_owner.agent.jobs.deciding import Deciding
from fedtrain.data_owner.agent.jobs.owner_jobs import OwnerJobs
from fedtrain.data_owner.agent.jobs.settling import Settling
from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.agent.publishing import Publishing
from fedtrain.data_owner.agent.registering import Registering
from fedtrain.data_owner.agent.requests import AskedRequests
from fedtrain.data_owner.agent.spending import Spendings
from fedtrain.data_owner.agent.training import TrainingStep
from fedtrain.data_owner.data.table_fits import TableFits
from fedtrain.data_owner.policy.inspector import Inspector
from fedtrain.data_owner.queries.runner import Queries
from fedtrain.data_owner.scoring.desk import ScoringDesk
from fedtrain.data_owner.scoring.given_models import GivenModels
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.service.vault.head_files import HeadFiles
from fedtrain.spec.problems import Code, Problem


@dataclass(frozen=True)
class OwnerParts:
    """A started Data Owner. `timestamp` gives the time of day as messages carry it.

    `training_of`: how far the local training of a job is, None where none runs.
    """

    store: OwnerStore
    jobs: OwnerJobs
    deciding: Deciding
    settling: Settling
    registering: Registering
    memory: Memory
    data_folder: Path
    timestamp: Callable[[], str]
    scoring: ScoringDesk
    fits: TableFits
    inspector: Inspector
    spendings: Spendings
    publishing: Publishing
    heads: HeadFiles
    given: GivenModels
    training_of: Callable[[str], TrainingStep | None]
    requests: AskedRequests
    queries: Queries


def _parts(request: Request) -> OwnerParts:
    parts = getattr(request.app.state, "parts", None)
    if not isinstance(parts, OwnerParts):
        raise Problem(Code.NOT_READY, "The service has not started yet, or is stopping.")
    return parts


Parts = Annotated[OwnerParts, Depends(_parts)]
