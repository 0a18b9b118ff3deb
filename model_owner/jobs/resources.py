"""Resources that jobs are worked on with, and what is constant about each job."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.crypto import Engine
from fedtrain.methods.plan import Plan
from fedtrain.model_owner.job_state import JobContext, JobState
from fedtrain.model_owner.metrics import Metrics
from fedtrain.model_owner.results.round_metrics import RoundMetrics
from fedtrain.model_owner.store import ModelStore
from fedtrain.model_owner.sums.keys import KeyRing
from fedtrain.planning.plans import plan_spec
from fedtrain.planning.unit_costs import UnitCosts
from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.protocol.documents.trust import Trust
from fedtrain.service.driver import Contexts
from fedtrain.service.runtime.doorbell import Doorbell
from fedtrain.service.store.full_disk import call_in

T = TypeVar("T")


@dataclass(frozen=True)
class Resources:
    """Resources that the Model Owner is given. `draw_hex`: fresh random hex digits, two a byte.

    `membership`: the consortium's signed word that this party is a member, where there is one. `trust`: whom it has
    pinned, as it is now. `unit_costs`: this machine's speed for keys of so many bits; it may block to measure it.
    `data_folder`: where files are that a spec names.
    """

    store: ModelStore
    identity: Identity
    name: str
    clock: Clock
    executor: Executor
    engine: Engine
    keys: KeyRing
    client: FacilitatorClient
    doorbell: Doorbell
    metrics: Metrics
    allow_small_keys: bool
    unit_costs: Callable[[int], UnitCosts]
    data_folder: Path
    round_metrics: RoundMetrics
    membership: SignedDocument | None = None
    trust: Callable[[], Trust] = Trust
    draw_hex: Callable[[int], str] = secrets.token_hex

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, called in the executor. Raises Problem(STORE_UNAVAILABLE), and as `work`."""
        return await call_in(self.executor, work)


class JobContexts:
    """Contexts of this Model Owner's jobs, each planned once and kept for those used last."""

    def __init__(self, own: Resources) -> None:
        self._own = own
        self._kept: Contexts[JobContext] = Contexts()

    def keep(self, state: JobState, plan: Plan) -> None:
        """Have the context of a job at hand that was just planned."""
        self._kept.keep(state.job_id, self._context(state, plan))

    async def of(self, state: JobState) -> JobContext:
        """Return a job's context. Raises Problem(STORE_UNAVAILABLE)."""
        return await self._own.run(lambda: self.opened(state))

    def opened(self, state: JobState) -> JobContext:
        """Return a job's context to a thread, which waits where the job is to be planned."""
        kept = self._kept.of(state.job_id, lambda: self._context(state, plan_spec(state.spec)))
        return replace(kept, trust=self._own.trust())

    def _context(self, state: JobState, plan: Plan) -> JobContext:
        return JobContext(self._own.identity, self._own.name, plan, state.rounds, self._own.membership)
