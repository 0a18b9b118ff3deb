"""A job's state as rows: what changes with every answer apart from what does not.

One answer writes one small row of `answers`. The owners, who was asked and who takes part, stand apart from the state
and are written while they change, which is until the roster is closed. In one row with the rest, as it was, the state
of a job with 200 owners had 150 kB, read twice and written whole at every answer: 30 MB a round.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import Field

from fedtrain.facilitator.job_state import Accepted, Answer, Declined, Invited, JobState, Member
from fedtrain.facilitator.store.tables import answers, jobs
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.documents.signed import Hash, PartyId
from fedtrain.service.store import jobs as rows
from fedtrain.service.store.jobs import JobTable
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
_NOT_IN_STATE: dict[str, Any] = {
    **dict.fromkeys(_OF_OWNERS, True),
    "current": {"answers": True},
    "last_answer_s": True,  # of every owner, and another one in every round
}


#: Answers by what their rows say besides the party.
_Made = dict[tuple[Any, ...], Answer]


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


def _beside(state: JobState) -> dict[str, object]:
    deadline_s = None if state.deadline is None else state.deadline.timestamp()
    return {"created_at_s": state.created_at.timestamp(), "deadline_s": deadline_s}


JOBS = JobTable(jobs, jobs.c.id, JobState, (jobs.c.created_at_s.desc(), jobs.c.id), _beside)


class JobRows(rows.JobRows[JobState]):
    """Reads and writes states within one transaction."""

    def __init__(self, connection: sa.Connection, jobs_read: JobsRead) -> None:
        super().__init__(connection, JOBS)
        self._jobs_read = jobs_read
        #: As the rows stand: what was read or written last in this transaction.
        self._stored: dict[str, JobState] = {}

    def put(self, state: JobState) -> None:
        """Write what differs from the stored state. Raises ValueError for an unknown job."""
        before = self._stored.get(state.job_id) or self.read(state.job_id, for_update=True)
        if before is None:
            raise ValueError(f"job {state.job_id} is not stored")
        self.replace(before, state)

    def _query(self) -> sa.Select[Any]:
        return sa.select(jobs.c.id, jobs.c.state, jobs.c.owners_hash, jobs.c.last_answer_s)

    def _values(self, before: JobState | None, after: JobState) -> dict[str, object]:
        values = super()._values(before, after) | {"state": after.model_dump_json(exclude=_NOT_IN_STATE)}
        if before is None or any(getattr(after, name) != getattr(before, name) for name in _OF_OWNERS):
            text = Owners.of(after).model_dump_json()
            values |= {"owners": text, "owners_hash": sha256_hex(text.encode())}
        if before is None or before.last_answer_s != after.last_answer_s:
            values["last_answer_s"] = json.dumps(after.last_answer_s)
        return values

    def _written(self, before: JobState | None, after: JobState) -> None:
        self._put_answers(before, after)
        self._stored[after.job_id] = after

    def _state(self, row: sa.Row[Any]) -> JobState:
        job_id, owners_hash = row.id, row.owners_hash
        state = JobState.model_validate_json(row.state)
        owners = self._jobs_read.find(job_id, owners_hash)
        if owners is None:
            owners_text = self._connection.scalar(sa.select(jobs.c.owners).where(jobs.c.id == job_id))
            owners = self._jobs_read.keep(job_id, str(owners_text))
        changes: dict[str, object] = {name: getattr(owners, name) for name in _OF_OWNERS}
        changes["last_answer_s"] = json.loads(row.last_answer_s or "{}")
        if state.current is not None:
            given = self._answers(job_id, state.current.request_hash)
            changes["current"] = state.current.model_copy(update={"answers": given})
        self._stored[job_id] = state = state.model_copy(update=changes)
        return state

    def _answers(self, job_id: str, request_hash: str) -> dict[str, Answer]:
        held = answers.c
        query = sa.select(held.party, held.answer_hash, held.ciphertexts_hash, held.signature, held.after_s)
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


def _answer(answer_hash: str, ciphertexts_hash: str, signature: str, after_s: float | None) -> Answer:
    return Answer(answer_hash=answer_hash, ciphertexts_hash=ciphertexts_hash, signature=signature, after_s=after_s)


def _given(state: JobState | None) -> Mapping[tuple[str, str], Answer]:
    """Answers by request and party."""
    if state is None or state.current is None:
        return {}
    return {(state.current.request_hash, party): answer for party, answer in state.current.answers.items()}
