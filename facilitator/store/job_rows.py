"""A job's state as rows: what changes with every answer apart from what does not.

One answer writes one small row of `answers`. The owners, who was asked and who takes part, stand apart from the state
and are written while they change, which is until the roster is closed. In one row with the rest, as it was, the state
of a job with 200 owners had 150 kB, read twice and written whole at every answer: 30 MB a round.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from pydantic import Field

from fedtrain.facilitator.job import Accepted, Answer, Declined, Invited, JobState, Member
from fedtrain.facilitator.store.tables import answers, jobs
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import Hash, PartyId, SignedDocument
from fedtrain.spec.model_spec import Strict

_KEPT_JOBS = 128


class Owners(Strict):
    """The fields of a state that the column `owners` holds, as JSON."""

    invited: tuple[Invited, ...] = ()
    join_answers: dict[PartyId, Hash] = Field(default_factory=dict)
    accepted: tuple[Accepted, ...] = ()
    declined: tuple[Declined, ...] = ()
    roster: tuple[Member, ...] = ()

    @classmethod
    def of(cls, state: JobState) -> Owners:
        return cls.model_construct(**{name: getattr(state, name) for name in cls.model_fields})


_OF_OWNERS = frozenset(Owners.model_fields)
_NOT_IN_STATE: dict[str, Any] = {**dict.fromkeys(_OF_OWNERS, True), "current": {"answers": True}}


#: Answers by what their rows say besides the party.
_Made = dict[tuple[str, ...], Answer]


class JobsRead:
    """The owners of the jobs used last, by the hash of the very text they were read from, and the answers to their
    current requests. Any thread may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: OrderedDict[str, tuple[str, Owners]] = OrderedDict()
        self._made: OrderedDict[str, tuple[str, _Made]] = OrderedDict()

    def find(self, job_id: str, owners_hash: str) -> Owners | None:
        with self._lock:
            found = self._read.get(job_id)
            if found is None or found[0] != owners_hash:
                return None
            self._read.move_to_end(job_id)
            return found[1]

    def keep(self, job_id: str, text: str) -> Owners:
        owners = Owners.model_validate_json(text)
        with self._lock:
            self._read[job_id] = sha256_hex(text.encode()), owners
            self._read.move_to_end(job_id)
            while len(self._read) > _KEPT_JOBS:
                self._read.popitem(last=False)
        return owners

    def answers_made(self, job_id: str, request_hash: str) -> _Made:
        """Answers to this request that were read before: to make 200 objects anew takes longer than to read rows."""
        with self._lock:
            found = self._made.get(job_id)
            if found is None or found[0] != request_hash:
                found = self._made[job_id] = (request_hash, {})
            self._made.move_to_end(job_id)
            while len(self._made) > _KEPT_JOBS:
                self._made.popitem(last=False)
            return found[1]


class JobRows:
    """Reads and writes states within one transaction."""

    def __init__(self, connection: sa.Connection, jobs_read: JobsRead) -> None:
        self._connection = connection
        self._jobs_read = jobs_read
        #: As the rows stand: what was read or written last in this transaction.
        self._stored: dict[str, JobState] = {}

    def read(self, job_id: str, *, for_update: bool) -> JobState | None:
        query = sa.select(jobs.c.id, jobs.c.state, jobs.c.owners_hash).where(jobs.c.id == job_id)
        # Databases with several writers at a time hold the row from here to the commit; SQLite has one writer anyway.
        row = self._connection.execute(query.with_for_update() if for_update else query).first()
        return None if row is None else self._state(*row)

    def newest(self, limit: int) -> Sequence[JobState]:
        query = sa.select(jobs.c.id, jobs.c.state, jobs.c.owners_hash)
        newest_first = query.order_by(jobs.c.created_at_s.desc(), jobs.c.id).limit(limit)
        return [self._state(*row) for row in self._connection.execute(newest_first).all()]

    def add(self, state: JobState, manifest: SignedDocument) -> None:
        values = _state_columns(state) | _owners_columns(state)
        self._connection.execute(
            sa.insert(jobs).values(
                id=state.job_id,
                created_at_s=state.created_at.timestamp(),
                manifest=manifest.model_dump_json(),
                **values,
            )
        )
        self._put_answers(None, state)
        self._stored[state.job_id] = state

    def replace(self, state: JobState) -> None:
        """Write what differs from the stored state. Raises ValueError for an unknown job."""
        before = self._stored.get(state.job_id) or self.read(state.job_id, for_update=True)
        if before is None:
            raise ValueError(f"job {state.job_id} is not stored")
        values = _state_columns(state)
        if any(getattr(state, name) != getattr(before, name) for name in _OF_OWNERS):
            values |= _owners_columns(state)
        self._connection.execute(sa.update(jobs).where(jobs.c.id == state.job_id).values(**values))
        self._put_answers(before, state)
        self._stored[state.job_id] = state

    def _state(self, job_id: str, text: str, owners_hash: str) -> JobState:
        state = JobState.model_validate_json(text)
        owners = self._jobs_read.find(job_id, owners_hash)
        if owners is None:
            owners_text = self._connection.scalar(sa.select(jobs.c.owners).where(jobs.c.id == job_id))
            owners = self._jobs_read.keep(job_id, str(owners_text))
        changes: dict[str, object] = {name: getattr(owners, name) for name in _OF_OWNERS}
        if state.current is not None:
            given = self._answers(job_id, state.current.request_hash)
            changes["current"] = state.current.model_copy(update={"answers": given})
        self._stored[job_id] = state = state.model_copy(update=changes)
        return state

    def _answers(self, job_id: str, request_hash: str) -> dict[str, Answer]:
        held = answers.c
        query = sa.select(held.party, held.answer_hash, held.ciphertexts_hash, held.signature)
        rows = self._connection.execute(query.where(held.job_id == job_id, held.request_hash == request_hash)).all()
        made, given = self._jobs_read.answers_made(job_id, request_hash), {}
        for party, *fields in rows:
            key = tuple(fields)
            given[party] = made.get(key) or made.setdefault(key, _answer(*key))
        return given

    def _put_answers(self, before: JobState | None, after: JobState) -> None:
        """Make the rows those of `after`: the answers to its current request, and no others of the job."""
        held, given = _given(before), _given(after)
        if gone := [key for key, answer in held.items() if given.get(key) is not answer]:
            delete = sa.delete(answers).where(
                answers.c.job_id == after.job_id,
                answers.c.request_hash == sa.bindparam("of_request"),
                answers.c.party == sa.bindparam("of_party"),
            )
            self._connection.execute(delete, [{"of_request": request, "of_party": party} for request, party in gone])
        fresh = [
            {"job_id": after.job_id, "request_hash": request, "party": party, **answer.model_dump()}
            for (request, party), answer in given.items()
            if held.get((request, party)) is not answer
        ]
        if fresh:
            self._connection.execute(sa.insert(answers), fresh)


def _answer(answer_hash: str, ciphertexts_hash: str, signature: str) -> Answer:
    return Answer(answer_hash=answer_hash, ciphertexts_hash=ciphertexts_hash, signature=signature)


def _given(state: JobState | None) -> Mapping[tuple[str, str], Answer]:
    """Answers by request and party."""
    if state is None or state.current is None:
        return {}
    return {(state.current.request_hash, party): answer for party, answer in state.current.answers.items()}


def _state_columns(state: JobState) -> dict[str, object]:
    deadline_s = None if state.deadline is None else state.deadline.timestamp()
    text = state.model_dump_json(exclude=_NOT_IN_STATE)
    return {"phase": state.phase.value, "deadline_s": deadline_s, "state": text}


def _owners_columns(state: JobState) -> dict[str, object]:
    text = Owners.of(state).model_dump_json()
    return {"owners": text, "owners_hash": sha256_hex(text.encode())}
