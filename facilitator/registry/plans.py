"""What never changes in a job, kept at hand: its manifest, opened, and the plan that follows from it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from fedtrain.facilitator.job import JobContext
from fedtrain.facilitator.store import Store
from fedtrain.methods.plan import Plan
from fedtrain.planning.plans import plan_spec
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Manifest, SignedDocument, open_document
from fedtrain.spec.problems import Code, Problem

_KEPT_JOBS = 64


@dataclass(frozen=True)
class JobPlan:
    """A job's context and its plan."""

    context: JobContext
    plan: Plan

    @property
    def manifest(self) -> Manifest:
        return self.context.manifest


class Plans:
    """The plans of the jobs used last; another job's is computed again from its stored manifest."""

    def __init__(self, store: Store, identity: Identity) -> None:
        self._store = store
        self._identity = identity
        self._lock = threading.Lock()
        self._plans: OrderedDict[str, JobPlan] = OrderedDict()

    def of(self, job_id: str) -> JobPlan:
        """Return a stored job's plan. Blocks. Raises Problem(MODEL_NOT_FOUND)."""
        with self._lock:
            if job_id in self._plans:
                self._plans.move_to_end(job_id)
                return self._plans[job_id]
        with self._store.read() as tx:
            signed = tx.manifest(job_id)
        if signed is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"There is no job {job_id[:64]} here.")
        manifest = open_document(signed, Manifest)
        plan = JobPlan(self.context(signed, manifest), plan_spec(manifest.spec))
        self.keep(plan)
        return plan

    def context(self, signed: SignedDocument, manifest: Manifest) -> JobContext:
        """Return the context of a manifest that was verified."""
        return JobContext(manifest, signed, int(manifest.modulus, 16), self._identity)

    def keep(self, plan: JobPlan) -> None:
        """Keep a stored job's plan at hand."""
        with self._lock:
            self._plans[plan.manifest.job_id] = plan
            while len(self._plans) > _KEPT_JOBS:
                self._plans.popitem(last=False)
