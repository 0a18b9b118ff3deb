"""Carrying out what `fedtrain.data_owner.round` decides. Everything here blocks: it runs in the executor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from fedtrain.crypto import Engine
from fedtrain.data_owner import job as j
from fedtrain.data_owner.agent.past import Memory
from fedtrain.data_owner.agent.spending import Spendings
from fedtrain.data_owner.checks import check_roster
from fedtrain.data_owner.data.encoding import in_roles
from fedtrain.data_owner.data.frozen.examples_freezer import ExamplesFreezer
from fedtrain.data_owner.data.frozen.folder import FrozenFolder
from fedtrain.data_owner.data.frozen.moments_freezer import MomentsFreezer
from fedtrain.data_owner.data.job_columns import encoding_of, places_of
from fedtrain.data_owner.data.training_rows import TrainingRows
from fedtrain.data_owner.job_state import JobContext, JobState
from fedtrain.data_owner.methods import method_of
from fedtrain.data_owner.methods.answers import OwnerMethod, Places, PreparedData
from fedtrain.data_owner.policy.inspector import Inspector
from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.data_owner.policy.summed_table import SummedTable
from fedtrain.data_owner.release.answer import AnsweringJob
from fedtrain.data_owner.release.fixed_point import check_fits
from fedtrain.data_owner.release.ledger import Ledger, LostAnswer
from fedtrain.data_owner.release.marks import AnswerMarks
from fedtrain.data_owner.release.mask_keys import MaskKeys, SealingKeys
from fedtrain.data_owner.release.noised_release import NoisedRelease, NoiseKey
from fedtrain.data_owner.release.pools import Pools
from fedtrain.data_owner.store.records import Dataset
from fedtrain.data_owner.store.sql import OwnerStore
from fedtrain.methods.noised_moments import noise_terms
from fedtrain.methods.plan import Plan
from fedtrain.neural import Trainer
from fedtrain.neural.sampling.row_gradients import RowGradients
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.signed import Acceptance, Decline, JoinAnswer, sign_document
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("data_owner.jobs")


Blocking = Callable[[JobContext, JobState, Any], Any]


@dataclass(frozen=True)
class Workshop:
    """Resources that an owner works with. `cannot_train`: what is missing for networks, if anything is."""

    identity: Identity
    store: OwnerStore
    frozen: FrozenFolder
    moments: MomentsFreezer
    examples: ExamplesFreezer
    inspector: Inspector
    mask_keys: MaskKeys
    sealing_keys: SealingKeys
    noise_key: NoiseKey
    marks: AnswerMarks
    memory: Memory
    spendings: Spendings
    pools: Pools
    engine: Engine
    now: Callable[[], datetime]
    trainer: Trainer
    cannot_train: str | None = None


@dataclass(frozen=True)
class _Frozen:
    """Data of a job as they were frozen: whose rows, the salted hash that is committed to, and what answers rounds."""

    table: SummedTable
    committed: str
    data: PreparedData


class JobEffects:
    """Carries out what follows from the steps of jobs. Calls about one job must not overlap."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop
        self.ledger = Ledger(workshop.store, workshop.memory, workshop.marks, workshop.pools, workshop.spendings)
        self._answering: dict[str, AnsweringJob] = {}
        # Two jobs that both find a dataset without an encoding must not both adopt theirs.
        self._freezing = threading.Lock()
        #: By the type of an effect, what is done: a message, or the answer to a task, comes back.
        self.handlers: Mapping[type, Blocking] = {
            j.Freeze: self._freeze,
            j.Reserve: self._reserve,
            j.Adopt: self._adopt,
            j.Sign: lambda _context, _state, effect: j.Signed(self.sign(effect.document)),
            j.Answer: self._answer,
            j.KeepAnswer: lambda _context, state, kept: self.ledger.stored(
                state.job_id, kept.facts.round, kept.facts.kind
            ),
            j.SendStored: lambda _context, state, effect: self.ledger.stored(state.job_id, effect.round, effect.kind),
            j.SignSet: lambda context, state, effect: self.ledger.sign_set(
                state, self._answering_job(context, state), effect.sum_set
            ),
            j.TellKeys: lambda context, state, effect: self.ledger.tell_keys(
                context, state, self._answering_job(context, state), effect.sum_set
            ),
            j.DestroyMaskKey: lambda context, state, _effect: self.forget(context, state),
        }

    @property
    def memory(self) -> Memory:
        """Return what this owner remembers of the sums it told."""
        return self._shop.memory

    def joined(self, context: JobContext, state: JobState) -> None:
        """Fill the job's pool: from here to the first round there is idle time for it."""
        self._shop.pools.of_plan(int(context.manifest(state).modulus, 16), context.documents.plan(state.offer))

    def _freeze(self, context: JobContext, state: JobState, effect: j.Freeze) -> j.Frozen | j.DataRefused:
        """Freeze the job's moments and make its mask key."""
        manifest = context.manifest(state)
        try:
            dataset = self._shop.store.dataset_version(effect.dataset, effect.version)
            if dataset is None:
                raise Problem(Code.DATASET_NOT_FOUND, f"Dataset {effect.dataset!r} is not registered here any more.")
            if manifest.spec.kind.has_network and self._shop.cannot_train is not None:
                raise Problem(Code.TRAINING_UNAVAILABLE, f"Networks are trained here: {self._shop.cannot_train}.")
            method = _method(manifest.spec)
            schema = dataset.schema_ or manifest.spec.data_props
            plan = context.documents.plan(state.offer)
            with self._freezing:
                frozen = self._frozen(state.job_id, dataset, manifest.spec, plan, context.policy)
                inspection = None
                if manifest.spec.privacy is None and not manifest.spec.kind.tells_thresholds:
                    # What rounding makes of a column depends on its role, and so do its cells.
                    asked = in_roles(schema, manifest.spec.data_props, dataset.columns)
                    inspection = self._shop.inspector.inspect(dataset, asked, manifest.spec.training.scaling)
            check_fits(method, frozen.data, plan)
            share = self._noise_share(state, frozen.table, manifest.spec, plan, frozen.data.places)
        except Problem as problem:
            if problem.code is Code.STORE_UNAVAILABLE:
                raise  # nothing is wrong with the data: the task is done again
            # Where it is, and not what: a value of the data is for GET /models, not for a log.
            log.warning("data refused", job=state.job_id, code=problem.code.slug, **problem.extra)
            return j.DataRefused(problem.code, problem.detail)
        return j.Frozen(
            self._shop.memory.past(state.job_id, frozen.table, context.policy).compared,
            inspection,
            frozen.committed,
            self._shop.mask_keys.create(state.job_id),
            self._shop.sealing_keys.create(state.job_id) if manifest.spec.shares_weights else None,
            self._taken_before(state),
            share,
        )

    def _noise_share(
        self, state: JobState, table: SummedTable, spec: ModelSpec, plan: Plan, places: Places | None
    ) -> str | None:
        if plan.claim is None:
            return None
        terms = noise_terms(plan)
        if terms is None:
            return self._shop.noise_key.share_of_job(table, state.manifest_hash)
        return None if places is None else self._shop.noise_key.share(table, spec, terms, places)

    def _frozen(self, job_id: str, dataset: Dataset, spec: ModelSpec, plan: Plan, policy: OwnerPolicy) -> _Frozen:
        """Freeze what the job is answered from: moments, or the records themselves."""
        if spec.keeps_examples:
            kept = self._shop.examples.freeze_job(job_id, dataset, spec, policy.min_rows)
            return _Frozen(kept.table, kept.examples_hash, PreparedData(plan, None, examples=kept.examples))
        frozen = self._shop.moments.freeze_job(job_id, dataset, spec, policy.min_rows)
        rows = TrainingRows(dataset, spec) if _method(spec).needs_rows else None
        places = None if spec.privacy is None else places_of(dataset, spec)
        data = PreparedData.of(frozen.moments, plan, rows, places, policy.min_cell)
        return _Frozen(frozen.table, frozen.moments_hash, data)

    def _taken_before(self, state: JobState) -> frozenset[str]:
        same = (job for job in self._shop.store.jobs() if job.dataset_version == state.dataset_version)
        return frozenset(risk for job in same for risk in job.risks_taken)

    def past(self, context: JobContext, state: JobState) -> j.Past | None:
        """Return what a job's first sum is held against; None where it was answered before, or waits for people."""
        if state.last is not None or state.waits_because is not None or state.table is None:
            return None
        return self._shop.memory.past(state.job_id, state.table, context.policy)

    def _reserve(self, context: JobContext, state: JobState, effect: j.Reserve) -> j.BudgetShort | None:
        """Set apart what the job's privacy costs; why it cannot be where too little is left."""
        claim = context.documents.plan(state.offer).claim
        if claim is None or state.table is None:
            return None
        try:
            self._shop.spendings.reserve(
                state.job_id, state.table, effect.share, claim, context.policy.privacy, state.risks_taken
            )
        except Problem as problem:
            if problem.code is not Code.BUDGET_SPENT:
                raise
            return j.BudgetShort(problem.detail)
        return None

    def _adopt(self, _context: JobContext, state: JobState, effect: j.Adopt) -> j.DataRefused | None:
        """Give the dataset its encoding; what is wrong where it has another one by now."""
        try:
            self._shop.store.adopt_schema(effect.dataset, effect.version, effect.schema, state.job_id)
        except Problem as problem:
            if problem.code is Code.STORE_UNAVAILABLE:
                raise
            return j.DataRefused(problem.code, problem.detail)
        return None

    def sign(self, document: Acceptance | Decline) -> JoinAnswer:
        """The signed answer to a JOIN task."""
        answer = "accept" if isinstance(document, Acceptance) else "decline"
        return JoinAnswer.model_validate({"answer": answer, "signed": sign_document(document, self._shop.identity)})

    def _answer(self, context: JobContext, state: JobState, effect: j.Answer) -> j.Answered:
        """Compute an answer. It is kept before anybody sees it: `ledger.stored` is what is sent."""
        return self.ledger.answer(context, state, self._answering_job(context, state), effect)

    def take_back(self, context: JobContext, state: JobState, lost: LostAnswer) -> j.Answered:
        """Take back an answer that this owner gave and its state has forgotten, with what it spent."""
        claim, release = context.documents.plan(state.offer).claim, None
        if claim is not None and state.roster is not None:
            roster = context.roster(state, state.roster).acceptances
            own = next((one.noise_share for one in roster if one.party == context.party_id), None)
            release = self._shop.noise_key.release(own or "", roster, claim)
        return self.ledger.take_back(context, state, lost, release)

    def stop_training(self, job_id: str) -> None:
        """End the local training of a job that is over, from any thread."""
        self._shop.trainer.cancel(self._shop.frozen.examples_path(job_id))

    def forget_what_is_left(self, context: JobContext, state: JobState) -> None:
        """Carry `forget` out that a crash cut short: the state was kept first, and nothing asks for it again."""
        shop = self._shop
        keys = (shop.mask_keys, shop.sealing_keys, shop.marks)
        if state.ended and (any(kept.has(state.job_id) for kept in keys) or shop.spendings.has_reserved(state.job_id)):
            log.warning("keys of a job that is over were left", job=state.job_id)
            self.forget(context, state)

    def forget(self, context: JobContext, state: JobState) -> None:
        """The job is over here: its mask key is destroyed, its pool let go."""
        self._shop.mask_keys.destroy(state.job_id)
        self._shop.sealing_keys.destroy(state.job_id)
        self._shop.marks.forget(state.job_id)
        self._answering.pop(state.job_id, None)
        # Only now: while there was a mask key, an answer could still have left.
        self._shop.spendings.give_back(state.job_id)
        if state.moments_hash is not None:  # it got as far as joining, so its manifest opens
            self._shop.pools.drop(int(context.manifest(state).modulus, 16))

    def _answering_job(self, context: JobContext, state: JobState) -> AnsweringJob:
        known = self._answering.get(state.job_id)
        if known is not None:
            return known
        if state.roster is None or state.moments_hash is None:
            raise Problem(Code.WRONG_STATE, f"Job {state.job_id} has no roster yet.")
        manifest = context.manifest(state)
        # A second sum of one round, or a second set, would tell what nobody may know; what left is not known any more.
        answers_once = manifest.spec.training.goes_on or manifest.spec.claims_gradients
        if answers_once and self._shop.memory.restored_since(state.created_at):
            raise Problem(
                Code.OWNER_LOST_ITS_KEY,
                f"This owner's state was put back from a backup since it joined job {state.job_id}, and what it has "
                "signed and answered there is not known: it leaves the job.",
            )
        # It was checked when it came; a membership that ended meanwhile does not end the job.
        roster = check_roster(context, state, state.roster, state.created_at)
        own_keys = roster.mask_keys
        # A job that an earlier version joined is answered by that version's plan, or not at all.
        method, plan = _method(manifest.spec), context.documents.plan(state.offer)
        data = self._thawed(state, manifest.spec, plan, state.moments_hash, context.policy)
        sealing_key = None
        if manifest.spec.shares_weights:
            sealing_key = self._shop.sealing_keys.load(state.job_id, roster.sealing_keys[context.party_id])
        check_fits(method, data, plan)
        release = self._noised_release(state, manifest.spec, plan, data, roster.acceptances)
        modulus = int(manifest.modulus, 16)
        job = AnsweringJob(
            manifest_hash=state.manifest_hash,
            roster_hash=roster.hash,
            modulus=modulus,
            identity=self._shop.identity,
            mask_key=self._shop.mask_keys.load(state.job_id, own_keys[context.party_id]),
            peers={
                bytes.fromhex(party): bytes.fromhex(key) for party, key in own_keys.items() if party != context.party_id
            },
            plan=plan,
            method=method,
            data=data,
            pool=self._shop.pools.of_plan(modulus, plan),
            engine=self._shop.engine,
            sealing_key=sealing_key,
            release=release,
            size_band=roster.size_bands.get(context.party_id),
            self_masked=manifest.spec.self_masked,
        )
        self._answering[state.job_id] = job
        return job

    def _noised_release(
        self, state: JobState, spec: ModelSpec, plan: Plan, data: PreparedData, roster: Sequence[Acceptance]
    ) -> NoisedRelease | None:
        if plan.claim is None or state.table is None:
            return None
        share = self._noise_share(state, state.table, spec, plan, data.places)
        return self._shop.noise_key.release(share or "", roster, plan.claim)

    def _thawed(
        self, state: JobState, spec: ModelSpec, plan: Plan, committed: str, policy: OwnerPolicy
    ) -> PreparedData:
        job_id = state.job_id
        if spec.keeps_examples:
            examples = self._shop.examples.thaw_job(job_id, self._dataset(state), spec, committed)
            if (loss := spec.kind.row_loss) is not None:
                return PreparedData(plan, None, examples=examples, gradients=RowGradients(loss))
            return PreparedData(plan, None, examples=examples, trainer=self._shop.trainer)
        rows = None
        if _method(spec).needs_rows:
            dataset, joined = self._dataset(state), state.summed
            # The dataset adopts nothing of such a job, and may be given a schema meanwhile.
            if joined is not None and joined.thresholds and encoding_of(dataset, spec) != joined.encoding:
                raise Problem(
                    Code.INVALID_DATA,
                    f"Dataset {dataset.name!r} has another schema than when job {state.job_id} was joined: the job "
                    "cannot be answered any more; have it cancelled.",
                )
            rows = TrainingRows(dataset, spec, of_version=state.summed is not None)
        places = None if spec.privacy is None else places_of(self._dataset(state), spec)
        return PreparedData.of(self._shop.moments.thaw_job(job_id, committed), plan, rows, places, policy.min_cell)

    def _dataset(self, state: JobState) -> Dataset:
        dataset = self._shop.store.dataset_version(state.dataset or "", state.dataset_version or "")
        if dataset is None:
            raise Problem(Code.DATASET_NOT_FOUND, f"Dataset {state.dataset!r} is not registered here any more.")
        return dataset


def _method(spec: ModelSpec) -> OwnerMethod:
    return method_of(spec.model_type, shares_weights=spec.shares_weights, noised=spec.privacy is not None)
