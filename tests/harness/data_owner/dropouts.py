"""A job whose rounds go on without an owner, played by the parties' state machines: who is away, and when."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import Any

from fedtrain.protocol.documents.quorum import quorum_of
from fedtrain.protocol.evidence.sum_set import SumSet, check_fully_signed
from fedtrain.protocol.evidence.verification import Job, LogItem
from fedtrain.protocol.messages.rounds import LogEntry, SignedBytes, from_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Problem
from tests.harness.data_owner.federation_owner import OwnerParty
from tests.harness.data_owner.federation_parties import FacilitatorParty, ModelOwnerParty, Task
from tests.harness.data_owner.owner_bench import spec_of
from tests.harness.round_sums import numbers_of

NAMES = tuple(f"clinic-{letter}" for letter in "abcdef")


class Play:
    """A job of six owners; `away` do no task, until they are back."""

    def __init__(self, names: tuple[str, ...] = NAMES, **training: object) -> None:
        spec = spec_of(**{"on_dropout": "continue", "min_data_owners": 3, "rounds": 3, **training})
        self.facilitator = FacilitatorParty()
        self.owners = {name: OwnerParty(name) for name in names}
        self.model_owner = ModelOwnerParty(spec)
        self.away: set[str] = set()
        self.refused: list[tuple[str, Problem]] = []
        for name, owner in self.owners.items():
            self.facilitator.register(owner.party_id, name)
        self.model_owner.settle(self.facilitator)

    @property
    def state(self) -> Any:
        return self.facilitator.state

    def of(self, party: str) -> OwnerParty | ModelOwnerParty:
        parties = [*self.owners.values(), self.model_owner]
        return next(one for one in parties if one.party_id == party)

    def tasks(self, *kinds: TaskKind) -> list[Task]:
        absent = {self.owners[name].party_id for name in self.away}
        tasks = self.facilitator.kept.tasks.values()
        return [task for task in tasks if not task.closed and task.recipient not in absent and task.kind in kinds]

    def do(self, task: Task) -> None:
        """Let a task's recipient do it; what it refuses is kept beside its name."""
        party = self.of(task.recipient)
        try:
            result = party.work(task, self.facilitator)
            assert result is not None
            self.facilitator.give(task.id, task.recipient, *result)
        except Problem as problem:
            self.refused.append((getattr(party, "name", "model-owner"), problem))

    def do_all(self, *kinds: TaskKind) -> None:
        for task in self.tasks(*kinds):
            self.do(task)

    def until(self, *phases: Phase) -> None:
        """All who are there do what is due, until the job is in one of these phases or nothing is due."""
        while self.state.phase not in phases:
            due = self.tasks(*TaskKind)
            for task in due:
                if self.state.phase not in phases and not task.closed:
                    self.do(task)
            ready = self.facilitator.ready_sum()
            if ready is not None and self.state.phase not in phases:
                self.facilitator.sum_arrives(ready)
            elif not due:
                return

    def time_is_over(self) -> None:
        self.facilitator.now += timedelta(seconds=700)
        self.facilitator.tick()

    def to_the_end(self) -> None:
        while not self.state.ended:
            before = self.facilitator.kept.state
            self.until(*(phase for phase in Phase if phase.value in ("FINISHED", "FAILED", "CANCELLED")))
            if not self.state.ended:
                self.time_is_over()
                assert self.facilitator.kept.state != before, f"the job is {self.state.phase} for ever"

    # What came of it

    @property
    def entries(self) -> list[LogEntry]:
        return [from_cbor(entry, LogEntry) for entry in self.facilitator.kept.log[1:]]

    def job(self) -> Job:
        manifest = self.model_owner.state.manifest
        assert manifest is not None
        return Job.open(manifest, self.facilitator.kept.rosters[0], self.facilitator.identity.party_id)

    def opened(self) -> list[tuple[int, list[int], str]]:
        kept = self.model_owner.kept
        assert kept.learning is not None
        return [(number, values, share) for number, values, share in kept.learning.optimiser]

    def check_every_sum(self) -> None:
        """Every opened sum is over a fully signed set of a quorum, and exactly its members' numbers."""
        job = self.job()
        bands = job.roster.size_bands
        by_party = {owner.party_id: owner for owner in self.owners.values()}
        assert [number for number, _, _ in self.opened()] == [entry.round for entry in self.entries]
        for entry, (number, values, share) in zip(self.entries, self.opened(), strict=True):
            summed = SumSet.of_entry(entry)
            assert entry.set_signatures is not None
            check_fully_signed(summed, entry.set_signatures)
            assert len(summed.parties) >= quorum_of(job.manifest.spec.training, len(bands))
            each = [numbers_of(by_party[party].moments, bands[party], number) for party in summed.parties]
            assert values == [sum(column) for column in zip(*each, strict=True)]
            assert Fraction(share) == Fraction(sum(bands[party] for party in summed.parties), sum(bands.values()))

    def items(self) -> list[LogItem]:
        return evidence_of(self.facilitator)


def evidence_of(facilitator: FacilitatorParty) -> list[LogItem]:
    """The log with all that it names, as the Facilitator keeps it."""
    kept, items = facilitator.kept, [LogItem(facilitator.kept.log[0])]
    for data in kept.log[1:]:
        entry = from_cbor(data, LogEntry)
        request = next(blob for blob in kept.blobs.values() if _hash_of_signed(blob) == entry.request_hash)
        answers = tuple(kept.blobs[record.answer_hash] for record in entry.answers)
        assert entry.product_hash is not None
        items.append(LogItem(data, request, answers, kept.blobs[entry.product_hash]))
    return items


def _hash_of_signed(blob: bytes) -> str | None:
    try:
        return from_cbor(blob, SignedBytes).hash
    except Problem:
        return None
