"""What the routes work on; there once the service has started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends, Request

from data_owner.agent.past import Memory
from data_owner.agent.service import OwnerService
from data_owner.inspector import Inspector
from data_owner.scoring.desk import ScoringDesk
from data_owner.store.contract import OwnerStore
from data_owner.table_fits import TableFits
from protocol.problems import Code, Problem


@dataclass(frozen=True)
class OwnerParts:
    """A started Data Owner. `timestamp` gives the time of day as messages carry it."""

    store: OwnerStore
    service: OwnerService
    memory: Memory
    data_folder: Path
    timestamp: Callable[[], str]
    scoring: ScoringDesk
    fits: TableFits
    inspector: Inspector


def _parts(request: Request) -> OwnerParts:
    parts = getattr(request.app.state, "parts", None)
    if not isinstance(parts, OwnerParts):
        raise Problem(Code.NOT_READY, "The service has not started yet, or is stopping.")
    return parts


Parts = Annotated[OwnerParts, Depends(_parts)]
