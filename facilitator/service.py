"""Parties and jobs: registering, deploying, cancelling, and what others may read of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog

from fedtrain.facilitator import round as rounds
from fedtrain.facilitator.job import CancelRequested, Outcome, OwnerOffers
from fedtrain.facilitator.job_state import JobContext, JobState, Member
from fedtrain.facilitator.registry.evidence import log_line, log_lines_json
from fedtrain.facilitator.registry.requests import asked_owners, may_be_invited
from fedtrain.facilitator.rounds.incoming import open_manifest, open_registration
from fedtrain.facilitator.runner import JobRunner, Resources
from fedtrain.facilitator.status import JobOutline, ModelView, describe
from fedtrain.facilitator.store import ReadTransaction, StoredBlob, StoredParty
from fedtrain.protocol.clock import timestamp
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.offer import check_offer
from fedtrain.protocol.documents.signed import Manifest, SignedDocument, open_document
from fedtrain.protocol.states import Phase
from fedtrain.service.web.caller import Caller
from fedtrain.spec.problems import Code, Problem

log = structlog.get_logger("facilitator")

_LISTED_MODELS = 100
_KEPT_OUTLINES = 1000


class JobService:
    """Calls behind the routes under /data-owners and /models."""

    def __init__(self, resources: Resources, runner: JobRunner) -> None:
        self._own = resources
        self._runner = runner
        self._outlines: dict[str, JobOutline] = {}
        self._self = Member(party=resources.identity.party_id, name=resources.name)

    # Data Owners

    async def register(self, party: str, caller: str, body: bytes) -> StoredParty:
        """Register a Data Owner, and invite it to the jobs that are still joining and want its dataset.

        The same registration again writes nothing: every owner sends its own once a minute. Raises Problem: FORBIDDEN
        for another caller, and as `open_registration`.
        """
        if caller != party:
            raise Problem(Code.FORBIDDEN, f"{caller[:16]}… cannot register {party[:16]}…: each party registers itself.")
        signed, registration = await asyncio.to_thread(open_registration, body, party)
        given = StoredParty(party, registration.name, registration.datasets, timestamp(self._own.clock), signed)
        stored, joining = await asyncio.to_thread(self._put_party, given)
        offer = OwnerOffers(party, stored.name)
        for job_id in joining:
            context = await asyncio.to_thread(self._runner.context, job_id)
            if await asyncio.to_thread(self._may_be_invited, context.manifest, stored):
                await self._runner.apply(job_id, offer)
        return stored

    def _put_party(self, given: StoredParty) -> tuple[StoredParty, Sequence[str]]:
        """The party as it is stored now, and the jobs that are joining and have not invited it."""
        with self._own.store.read() as tx:
            known = tx.party(given.party)
            if known is not None and known.signed == given.signed:
                return known, _joining_without(tx, given.party)
        with self._own.store.write() as tx:
            tx.put_party(given)
            return given, _joining_without(tx, given.party)

    def _may_be_invited(self, manifest: Manifest, owner: StoredParty) -> bool:
        with self._own.store.read() as tx:
            return may_be_invited(manifest, asked_owners(tx, manifest), owner)

    async def forget(self, party: str, caller: Caller) -> None:
        """Take a Data Owner that has left off the list, so that new jobs do not wait for it; jobs it is in go on.

        For this service's own people and the party itself. Raises Problem: FORBIDDEN for others, NOT_FOUND.
        """
        own_people = not caller.authenticated or caller.own_person
        if not own_people and caller.party_id != party:
            raise Problem(Code.FORBIDDEN, f"Only {party[:16]}… itself, or a token of scope admin, may end this.")
        if not await asyncio.to_thread(self._forget, party):
            raise Problem(Code.NOT_FOUND, f"No Data Owner {party[:16]}… is registered.")
        log.info("data owner forgotten", party=party)

    def _forget(self, party: str) -> bool:
        with self._own.store.write() as tx:
            return tx.forget_party(party)

    async def data_owners(self) -> Sequence[StoredParty]:
        return await asyncio.to_thread(self._data_owners)

    async def model_owners(self) -> Mapping[str, str]:
        """Return the parties that the newest jobs are of, each with the name that it gave in the latest."""
        asking = [model.model_owner for model in await self.models()]
        return {one.party: one.name for one in reversed(asking)}

    async def parties_edition(self) -> str:
        """Return a text that is another one once there is something new in `data_owners` or `model_owners`."""
        return await asyncio.to_thread(self._edition, ReadTransaction.parties_edition)

    async def jobs_edition(self) -> str:
        """Return a text that is another one once there is something new in `models`."""
        return await asyncio.to_thread(self._edition, ReadTransaction.jobs_edition)

    def _edition(self, of: Callable[[ReadTransaction], str]) -> str:
        with self._own.store.read() as tx:
            return sha256_hex(of(tx).encode())[:16]

    def _data_owners(self) -> Sequence[StoredParty]:
        with self._own.store.read() as tx:
            return tx.parties()

    # Jobs

    async def post_manifest(self, job_id: str, caller: str, body: bytes) -> tuple[ModelView, bool]:
        """Open a job, and ask every registered owner of its dataset to join. Returns whether it is new.

        The same manifest again is the same job. Raises Problem: JOB_EXISTS for another one under the same id, and as
        `open_manifest` and `check_offer`.
        """
        signed, manifest = await asyncio.to_thread(open_manifest, body, job_id, caller)
        known = await asyncio.to_thread(self._known_manifest, job_id)
        if known is None:
            check = partial(check_offer, manifest, allow_small_keys=self._own.allow_small_keys)
            plan = await asyncio.get_running_loop().run_in_executor(self._own.executor, check)
            context = JobContext(manifest, signed, int(manifest.modulus, 16), self._own.identity, plan)
            opened = await asyncio.to_thread(self._open, context)
            if not isinstance(opened, str):
                await self._runner.follow_up(opened)
                return await self.model(job_id), True
            known = opened
        if known != signed.hash:
            raise Problem(Code.JOB_EXISTS, f"Job {job_id} has manifest {known[:16]}…; this one is {signed.hash[:16]}….")
        return await self.model(job_id), False

    def _known_manifest(self, job_id: str) -> str | None:
        with self._own.store.read() as tx:
            signed = tx.manifest(job_id)
        return None if signed is None else signed.hash

    def _open(self, context: JobContext) -> Outcome | str:
        """Store the job with its first tasks; return the hash of the manifest that is there already, if one is."""
        now = self._own.clock.now()
        state = rounds.open_job(context, now)
        with self._own.store.write() as tx:
            known = tx.manifest(state.job_id)
            if known is not None:
                return known.hash
            outcome: Outcome = Outcome(state)
            asked = asked_owners(tx, context.manifest)
            for owner in tx.parties():
                if may_be_invited(context.manifest, asked, owner):
                    step = rounds.step(context, outcome.state, OwnerOffers(owner.party, owner.name), now)
                    outcome = Outcome(step.state, (*outcome.effects, *step.effects))
            tx.add_job(outcome.state, context.signed_manifest)
            for effect in outcome.effects:
                self._runner.keep(tx, outcome.state, effect)
        self._runner.contexts.keep(state.job_id, context)
        log.info(
            "job opened",
            job=state.job_id,
            model_owner=context.manifest.model_owner_name,
            invited=[owner.name for owner in outcome.state.invited],
        )
        return outcome

    async def cancel(self, job_id: str, caller: str, reason: str) -> ModelView:
        """Cancel a job for its Model Owner. Raises Problem: MODEL_NOT_FOUND, FORBIDDEN, JOB_OVER."""
        context = await asyncio.to_thread(self._runner.context, job_id)
        if caller != context.manifest.model_owner:
            raise Problem(Code.FORBIDDEN, f"Only the job's Model Owner can cancel it; {caller[:16]}… is another party.")
        await self._runner.apply(job_id, CancelRequested(reason))
        return await self.model(job_id)

    async def model(self, job_id: str) -> ModelView:
        """Raises Problem(MODEL_NOT_FOUND)."""
        return await asyncio.to_thread(self._model, job_id)

    def _model(self, job_id: str) -> ModelView:
        with self._own.store.read() as tx:
            return self._view(tx, tx.known_job(job_id))

    async def models(self) -> list[ModelView]:
        """The newest jobs, newest first."""
        return await asyncio.to_thread(self._models)

    def _models(self) -> list[ModelView]:
        with self._own.store.read() as tx:
            return [self._view(tx, state) for state in tx.jobs(_LISTED_MODELS)]

    def _view(self, tx: ReadTransaction, state: JobState) -> ModelView:
        outline = self._outlines.get(state.job_id)
        if outline is None:
            context, signed = self._runner.contexts.at_hand(state.job_id), tx.manifest(state.job_id)
            if signed is None:
                raise LookupError(f"the store has lost the manifest of job {state.job_id}")
            outline = JobOutline.of(open_document(signed, Manifest) if context is None else context.manifest)
            self._outlines[state.job_id] = outline
            if len(self._outlines) > _KEPT_OUTLINES:
                self._outlines.pop(next(iter(self._outlines)), None)
        return describe(outline, state, self._self, self._own.clock.now())

    # Evidence

    async def roster(self, job_id: str) -> SignedDocument:
        """Raises Problem: MODEL_NOT_FOUND, WRONG_STATE while the roster is open."""
        return await asyncio.to_thread(self._roster, job_id)

    def _roster(self, job_id: str) -> SignedDocument:
        with self._own.store.read() as tx:
            state, roster = tx.known_job(job_id), tx.roster(job_id)
        if roster is None:
            raise Problem(Code.WRONG_STATE, f"The job has no roster; it is {state.phase}.")
        return roster

    async def manifest(self, job_id: str) -> SignedDocument:
        """The manifest, as its Model Owner signed it. Raises Problem(MODEL_NOT_FOUND)."""
        return await asyncio.to_thread(self._manifest, job_id)

    def _manifest(self, job_id: str) -> SignedDocument:
        with self._own.store.read() as tx:
            tx.known_job(job_id)
            signed = tx.manifest(job_id)
        if signed is None:
            raise Problem(Code.MODEL_NOT_FOUND, f"There is no manifest of job {job_id[:64]} here.")
        return signed

    async def log(self, job_id: str, start: int) -> bytes:
        """The job's hash chain from entry `start` on, as JSON. Raises Problem: MODEL_NOT_FOUND, LOG_INCONSISTENT."""
        return await asyncio.to_thread(self._log, job_id, start)

    async def progress(self, job_id: str, start: int) -> tuple[ModelView, list[int]]:
        """Return a job, and the rounds that entry `start` and those after it are of. Raises as `log`."""
        return await asyncio.to_thread(self._progress, job_id, start)

    def _progress(self, job_id: str, start: int) -> tuple[ModelView, list[int]]:
        with self._own.store.read() as tx:
            view, entries = self._view(tx, tx.known_job(job_id)), tx.log_entries(job_id, start)
        return view, [log_line(index, entry).round for index, entry in enumerate(entries, start)]

    def _log(self, job_id: str, start: int) -> bytes:
        with self._own.store.read() as tx:
            tx.known_job(job_id)
            entries = tx.log_entries(job_id, start)
        return log_lines_json(start, entries)

    async def log_entry(self, job_id: str, index: int) -> bytes:
        """One entry's exact bytes. Raises Problem: MODEL_NOT_FOUND, NOT_FOUND."""
        return await asyncio.to_thread(self._log_entry, job_id, index)

    def _log_entry(self, job_id: str, index: int) -> bytes:
        with self._own.store.read() as tx:
            state, stored = tx.known_job(job_id), tx.log_entry(job_id, index)
        if stored is None:
            raise Problem(Code.NOT_FOUND, f"The job's log has {state.log_length} entries; there is no number {index}.")
        return stored.entry

    async def evidence(self, job_id: str, content_hash: str, caller: str | None) -> StoredBlob:
        """Bytes that the log names, for the job's parties and the auditors that its spec names.

        `caller` None: for the Facilitator's own people, in whose store they lie.

        Raises Problem: MODEL_NOT_FOUND, FORBIDDEN for everybody else.
        """
        return await asyncio.to_thread(self._evidence, job_id, content_hash, caller)

    def _evidence(self, job_id: str, content_hash: str, caller: str | None) -> StoredBlob:
        manifest = self._runner.context(job_id).manifest
        with self._own.store.read() as tx:
            state, blob = tx.known_job(job_id), tx.job_blob(job_id, content_hash)
        readers = {manifest.model_owner, *manifest.spec.auditors, *(owner.party for owner in state.roster)}
        if caller is not None and caller not in readers:
            raise Problem(
                Code.FORBIDDEN,
                f"Evidence is for the job's parties and its auditors; {caller[:16]}… is neither: a job's spec names "
                "auditors in `auditors`.",
            )
        if blob is None and state.pruned_at is not None:
            when = state.pruned_at.date().isoformat()
            raise Problem(Code.EVIDENCE_PRUNED, f"The ciphertexts of job {job_id} were deleted by age on {when}.")
        keep = self._runner.context(job_id).plan.keep_rounds
        if blob is None and keep is not None:
            raise Problem(
                Code.EVIDENCE_PRUNED,
                f"Job {job_id} keeps the ciphertexts of its last {keep} rounds, and there are none under "
                f"{content_hash[:16]}….",
            )
        if blob is None:
            raise Problem(Code.NOT_FOUND, f"The job has no evidence under {content_hash[:64]}.")
        return blob


def _joining_without(tx: ReadTransaction, party: str) -> Sequence[str]:
    return [
        job_id
        for job_id in tx.jobs_in(Phase.JOINING)
        if all(owner.party != party for owner in tx.known_job(job_id).invited)
    ]
