"""A job whose result people sign off before it opens, played by the parties' state machines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from fedtrain.data_owner import job as o
from fedtrain.data_owner.policy.rules import ReleasePolicy
from fedtrain.protocol.evidence.verification import Job, LogItem
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.spec.problems import Problem
from tests.harness.data_owner.dropouts import evidence_of
from tests.harness.data_owner.federation_owner import OwnerParty
from tests.harness.data_owner.federation_parties import FacilitatorParty, ModelOwnerParty, Task
from tests.harness.data_owner.owner_bench import spec_of

NAMES = ("clinic-a", "clinic-b", "clinic-c")


class SignedOffPlay:
    """A newton job of three owners, whose policies want so many `people` each."""

    def __init__(self, names: tuple[str, ...] = NAMES, people: int = 1, **training: object) -> None:
        terms: dict[str, Any] = {"optimizer": "newton", "rounds": "auto", "min_data_owners": len(names), **training}
        self.spec = spec_of(release="sign_off", **terms)
        self.facilitator = FacilitatorParty()
        self.owners = {name: OwnerParty(name) for name in names}
        self.model_owner = ModelOwnerParty(self.spec)
        self.refused: list[tuple[str, Problem]] = []
        for name, owner in self.owners.items():
            policy = owner.owner.policy.model_copy(update={"release": ReleasePolicy(people=people)})
            owner.owner = replace(owner.owner, policy=policy)
            self.facilitator.register(owner.party_id, name)
        self.model_owner.settle(self.facilitator)

    @property
    def state(self) -> Any:
        return self.facilitator.state

    def of(self, party: str) -> OwnerParty | ModelOwnerParty:
        return next(one for one in (*self.owners.values(), self.model_owner) if one.party_id == party)

    def tasks(self, *kinds: TaskKind) -> list[Task]:
        return [one for one in self.facilitator.kept.tasks.values() if not one.closed and one.kind in kinds]

    def do(self, task: Task) -> bool:
        """Let a task's recipient do it; return whether that was taken. What it refuses is kept beside its name."""
        party = self.of(task.recipient)
        try:
            result = party.work(task, self.facilitator)
            if result is None:
                return False
            self.facilitator.give(task.id, task.recipient, *result)
        except Problem as problem:
            self.refused.append((getattr(party, "name", "model-owner"), problem))
            return False
        return True

    def go_on(self) -> None:
        """Everybody does what is due, until nothing is, or all of it waits for people."""
        went = True
        while went:
            done = [self.do(task) for task in self.tasks(*TaskKind) if not task.closed]
            went = any(done)
            ready = self.facilitator.ready_sum()
            if ready is not None:
                self.facilitator.sum_arrives(ready)
                went = True

    def decide(
        self,
        name: str,
        decision: Literal["sign_off", "refuse"] = "sign_off",
        *,
        by: str | None = None,
        why: str | None = None,
        result: str | None = None,
        token_id: str | None = None,
    ) -> None:
        """A person of an owner decides. Raises Problem."""
        self.owners[name].take(o.SignOffDecided(decision, by, why, result, token_id))

    def waiting(self) -> set[str]:
        return {owner.name for owner in self.state.awaited_owners}

    def job(self) -> Job:
        manifest = self.model_owner.state.manifest
        assert manifest is not None
        return Job.open(manifest, self.facilitator.kept.rosters[0], self.facilitator.identity.party_id)

    def items(self) -> list[LogItem]:
        return evidence_of(self.facilitator)
