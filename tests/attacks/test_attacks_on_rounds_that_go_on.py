"""A Facilitator that plays owners off against each other, and owners that lie, where rounds go on without somebody.

Whatever is shown to whom: no owner signs two sets in a round, tells a key before all of a set have signed it, or one
that it shares with a member; and what is not the sum over a fully signed set is not opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from fedtrain.crypto import open_sealed
from fedtrain.facilitator.rounds.going_on import sum_set_of
from fedtrain.model_owner.sums.unmasking import unmasking_key_of
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.evidence.sum_set import (
    SET_TAG,
    UNMASKING_TAG,
    SetMember,
    SetRequest,
    SetSignature,
    SumSet,
    Unmasking,
    UnmaskRequest,
    outside,
)
from fedtrain.protocol.messages.rounds import Step, StepResult, from_cbor, to_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.dropouts import NAMES, Play
from tests.harness.data_owner.federation_owner import OwnerKept, OwnerParty
from tests.harness.data_owner.federation_parties import JOB_ID, Crash, Task, private_key
from tests.harness.round_sums import registered


@pytest.fixture(autouse=True)
def method() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def play() -> Play:
    """All six have answered round 1, and the Facilitator has named them."""
    play = Play()
    play.until(Phase.AGREEING)
    return play


def without(summed: SumSet, *owners: OwnerParty) -> SumSet:
    gone = {owner.party_id for owner in owners}
    return summed.model_copy(update={"members": tuple(one for one in summed.members if one.party not in gone)})


def shown(owner: OwnerParty, play: Play, summed: SumSet) -> SetSignature:
    """Show an owner a set that is to be signed."""
    request = to_cbor(SetRequest(job_id=JOB_ID, sum_set=summed))
    result = owner.work(Task("x", TaskKind.SIGN_SET, owner.party_id, request), play.facilitator)
    assert result is not None
    return from_cbor(result[0], SetSignature)


def asked(owner: OwnerParty, play: Play, summed: SumSet, signatures: list[bytes]) -> Unmasking:
    """Ask an owner for its keys."""
    request = to_cbor(UnmaskRequest(job_id=JOB_ID, sum_set=summed, signatures=tuple(signatures)))
    result = owner.work(Task("x", TaskKind.UNMASK, owner.party_id, request), play.facilitator)
    assert result is not None
    return from_cbor(result[0], Unmasking)


def refused(code: Code, call: Callable[[], object]) -> str:
    with pytest.raises(Problem) as raised:
        call()
    assert raised.value.code is code, raised.value
    return raised.value.detail


def keys_in(unmasking: Unmasking, summed: SumSet) -> int:
    context = UNMASKING_TAG, summed.hash, bytes.fromhex(unmasking.party)
    opened = open_sealed(unmasking_key_of(private_key()), unmasking.ephemeral_key, unmasking.ciphertext, context)
    return len(opened) // 32


def test_two_sets_in_one_round_are_never_both_signed(play: Play) -> None:
    """The Facilitator shows one half the set with an owner, and the other half that without it."""
    victim, *others = play.owners.values()
    whole = sum_set_of(play.state)
    less = without(whole, victim)
    signed = [shown(owner, play, whole) for owner in others[:2]]
    signed_less = [shown(owner, play, less) for owner in others[2:]]
    for owner in others[:2]:
        assert "another set was signed" in refused(Code.SET_REFUSED, lambda owner=owner: shown(owner, play, less))
    for owner in others[2:]:
        assert "another set was signed" in refused(Code.SET_REFUSED, lambda owner=owner: shown(owner, play, whole))
    signatures = [one.signature for one in (*signed, *signed_less)]
    for owner, summed in [*((one, whole) for one in others[:2]), *((one, less) for one in others[2:])]:
        refused(Code.SET_REFUSED, lambda o=owner, s=summed: asked(o, play, s, signatures[: len(s.members) - 1]))
        filled = [*signatures, signatures[0]][: len(summed.members)]
        refused(Code.BAD_SIGNATURE, lambda o=owner, s=summed, f=filled: asked(o, play, s, f))
    # The round comes to nothing, and the next one has everybody again.
    play.time_is_over()
    play.to_the_end()
    assert [entry.round for entry in play.entries] == [2, 3]
    play.check_every_sum()


def test_an_owner_signs_no_set_that_it_is_left_out_of_or_whose_answer_is_another(play: Play) -> None:
    owner = play.owners["clinic-a"]
    whole = sum_set_of(play.state)
    assert "not in the set" in refused(Code.SET_REFUSED, lambda: shown(owner, play, without(whole, owner)))
    altered = tuple(
        SetMember(party=one.party, answer_hash="00" * 32 if one.party == owner.party_id else one.answer_hash)
        for one in whole.members
    )
    other = whole.model_copy(update={"members": altered})
    assert "another answer" in refused(Code.SET_REFUSED, lambda: shown(owner, play, other))
    few = without(whole, *list(play.owners.values())[3:])
    assert "quorum is 4" in refused(Code.SET_REFUSED, lambda: shown(owner, play, few))


@pytest.mark.parametrize(
    "change", [{"round": 2}, {"log_head": "00" * 32}, {"request_hash": "00" * 32}, {"roster_hash": "00" * 32}]
)
def test_an_owner_signs_no_set_of_another_round_request_log_or_roster(play: Play, change: dict[str, Any]) -> None:
    other = sum_set_of(play.state).model_copy(update=change)
    refused(Code.SET_REFUSED, lambda: shown(play.owners["clinic-a"], play, other))


def test_a_survivor_that_is_claimed_to_have_dropped_is_not_told_on(play: Play) -> None:
    """All sign the set with the victim; then the Facilitator wants the others' keys with it."""
    whole = sum_set_of(play.state)
    signatures = {name: shown(owner, play, whole).signature for name, owner in play.owners.items()}
    victim = play.owners["clinic-f"]
    less = without(whole, victim)
    by_party = {play.owners[name].party_id: signature for name, signature in signatures.items()}
    of_the_others = [by_party[party] for party in less.parties]
    for name in NAMES[:5]:
        detail = refused(Code.SET_REFUSED, lambda name=name: asked(play.owners[name], play, less, of_the_others))
        assert "did not sign it" in detail
    told = asked(play.owners["clinic-a"], play, whole, [by_party[party] for party in whole.parties])
    assert keys_in(told, whole) == 1  # its own mask's, and nobody is outside


def test_a_set_that_not_all_have_signed_gets_no_key(play: Play) -> None:
    whole = sum_set_of(play.state)
    signatures = [shown(play.of(party), play, whole).signature for party in whole.parties]  # type: ignore[arg-type]
    owner = play.owners["clinic-a"]
    forged = [*signatures[:-1], owner.identity.sign(SET_TAG, whole.statement())]
    refused(Code.BAD_SIGNATURE, lambda: asked(owner, play, whole, forged))
    refused(Code.SET_REFUSED, lambda: asked(owner, play, whole, signatures[:-1]))


def test_an_answer_left_out_of_the_sum_over_a_signed_set_is_not_opened() -> None:
    """The set with the victim is signed and told, and the Facilitator multiplies without its answer."""
    play = Play()
    play.until(Phase.ADDING)
    ready = play.facilitator.ready_sum()
    assert ready is not None
    play.facilitator.sum_arrives(ready)
    task = play.tasks(TaskKind.STEP)[-1]
    step = from_cbor(task.request, Step)
    cut = step.model_copy(update={"answers": step.answers[1:], "unmaskings": step.unmaskings[1:]})  # type: ignore[index]
    play.do(Task(task.id, task.kind, task.recipient, to_cbor(cut)))
    assert play.model_owner.state.phase is Phase.FAILED
    assert play.model_owner.state.ending is not None
    assert play.model_owner.state.ending.code == "log-inconsistent"
    assert play.opened() == []


def test_an_owner_that_tells_false_keys_is_named_and_the_sum_stays_closed(play: Play) -> None:
    play.until(Phase.UNMASKING)
    liar = play.owners["clinic-c"]
    whole = sum_set_of(play.state)
    task = next(one for one in play.tasks(TaskKind.UNMASK) if one.recipient == liar.party_id)
    body, content_type = liar.work(task, play.facilitator)  # type: ignore[misc]
    told = from_cbor(body, Unmasking)
    false = told.model_copy(update={"ciphertext": bytes(len(told.ciphertext))})
    false = false.model_copy(update={"signature": liar.identity.sign(UNMASKING_TAG, false.statement())})
    assert false.set_hash == whole.hash
    play.facilitator.give(task.id, liar.party_id, to_cbor(false), content_type)
    play.to_the_end()
    ending = play.model_owner.state.ending
    assert ending is not None
    assert ending.code == "unmasking-refused"
    assert liar.party_id[:16] in ending.reason  # type: ignore[operator]
    assert play.opened() == []


def test_a_result_in_another_owners_name_or_on_another_set_is_refused(play: Play) -> None:
    one, two = play.tasks(TaskKind.SIGN_SET)[:2]
    result = play.of(one.recipient).work(one, play.facilitator)
    assert result is not None
    refused(Code.FORBIDDEN, lambda: play.facilitator.give(two.id, two.recipient, *result))
    signed = from_cbor(result[0], SetSignature)
    other = to_cbor(signed.model_copy(update={"set_hash": "00" * 32}))
    refused(Code.MALFORMED_MESSAGE, lambda: play.facilitator.give(one.id, one.recipient, other, result[1]))
    forged = to_cbor(signed.model_copy(update={"signature": bytes(64)}))
    refused(Code.BAD_SIGNATURE, lambda: play.facilitator.give(one.id, one.recipient, forged, result[1]))


def test_a_facilitator_that_calls_every_round_void_gets_no_model_called_done() -> None:
    """Nobody signs a void round, so that it can say so though every owner has answered."""
    play = Play()
    play.until(Phase.WAITING_FOR_DATA_OWNERS)
    for number in (1, 2, 3):
        said = Step(protocol=play.job().manifest.protocol, job_id=JOB_ID, step=number, log_entry=b"", void="as I say")
        task = Task(f"step/{number}", TaskKind.STEP, play.model_owner.party_id, to_cbor(said))
        answer = play.model_owner.work(task, play.facilitator)
        assert answer is not None
        result = from_cbor(answer[0], StepResult)
        assert (result.request is None) == (number == 3)
    assert (result.finished, result.code) == ("FAILED", "too-few-owners")
    ended = play.model_owner.state
    assert (ended.phase, ended.ending and ended.ending.code) == (Phase.FAILED, "too-few-owners")
    assert play.model_owner.kept.model is None


@pytest.mark.parametrize("crash_after", [1, 2])
@pytest.mark.parametrize("restored", [False, True])
def test_an_owner_that_crashes_while_it_signs_signs_no_second_set(play: Play, crash_after: int, restored: bool) -> None:
    """Between any two writes, and also where its database is then an older copy: the mark lies beside the keys."""
    owner = play.owners["clinic-a"]
    whole, before = sum_set_of(play.state), deepcopy(owner.kept)
    owner.disk.crash_after = crash_after
    with pytest.raises(Crash):
        shown(owner, play, whole)
    owner.disk.crash_after = None
    if restored:
        owner.kept = before
    less = without(whole, play.owners["clinic-b"])
    if restored and crash_after == 1:
        # Nothing was marked, so nothing has left: either set may be the one.
        shown(owner, play, less)
        refused(Code.SET_REFUSED, lambda: shown(owner, play, whole))
        return
    refused(Code.SET_REFUSED, lambda: shown(owner, play, less))
    if restored:
        # The state was about to sign the other set when the mark refused it: this round goes without this owner.
        refused(Code.SET_REFUSED, lambda: shown(owner, play, whole))
        return
    shown(owner, play, whole)


@dataclass(frozen=True)
class Said:
    """A thing that an owner let out."""

    owner: str
    summed: SumSet
    told: Unmasking | None = None


class DishonestFacilitator(RuleBasedStateMachine):
    """Shows any set to any owner and asks for keys by any signatures it has, while owners crash and are restored."""

    def __init__(self) -> None:
        super().__init__()
        self.play = Play(rounds=3)
        self.play.until(Phase.AGREEING)
        self.signatures: dict[tuple[str, str], bytes] = {}  # by set and party
        self.sets: dict[str, SumSet] = {}
        self.said: list[Said] = []
        self.older: dict[str, list[OwnerKept]] = {name: [] for name in NAMES}
        self.next_set()

    def next_set(self) -> None:
        self.base = sum_set_of(self.play.state)
        self.sets[self.base.hash] = self.base

    def running(self, name: str, crash_after: int, work: Callable[[OwnerParty], None]) -> None:
        owner = self.play.owners[name]
        self.older[name] = [*self.older[name][-3:], deepcopy(owner.kept)]
        owner.disk.crash_after = crash_after or None
        try:
            work(owner)
        except (Crash, Problem):
            pass  # dead, or it refused: what it let out before is what counts
        finally:
            owner.disk.crash_after = None

    @rule(name=st.sampled_from(NAMES), out=st.sets(st.sampled_from(NAMES), max_size=2), crash_after=st.integers(0, 2))
    def show(self, name: str, out: set[str], crash_after: int) -> None:
        summed = without(self.base, *(self.play.owners[one] for one in out))
        self.sets[summed.hash] = summed

        def sign(owner: OwnerParty) -> None:
            signed = shown(owner, self.play, summed)
            self.signatures[summed.hash, owner.party_id] = signed.signature
            self.said.append(Said(name, summed))

        self.running(name, crash_after, sign)

    @rule(out=st.sets(st.sampled_from(NAMES), max_size=2))
    def show_all_of_it(self, out: set[str]) -> None:
        for name in sorted(set(NAMES) - out):
            self.show(name, out, 0)

    @precondition(lambda self: self.signatures)
    @rule(name=st.sampled_from(NAMES), data=st.data(), swapped=st.booleans(), crash_after=st.integers(0, 2))
    def ask(self, name: str, data: st.DataObject, swapped: bool, crash_after: int) -> None:
        """`swapped`: signatures on other sets stand in for those that are missing."""
        summed = self.sets[data.draw(st.sampled_from(sorted(self.sets)))]
        fallback = {party: signature for (_, party), signature in sorted(self.signatures.items())}
        signatures = [
            self.signatures.get((summed.hash, party), fallback.get(party, bytes(64)) if swapped else None)
            for party in summed.parties
        ]

        def tell(owner: OwnerParty) -> None:
            told = asked(owner, self.play, summed, [one for one in signatures if one is not None])
            self.said.append(Said(name, summed, told))

        self.running(name, crash_after, tell)

    @rule(name=st.sampled_from(NAMES), data=st.data(), rare=st.integers(0, 3))
    def set_an_owners_store_back(self, name: str, data: st.DataObject, rare: int) -> None:
        if self.older[name] and rare == 0:
            self.play.owners[name].kept = deepcopy(data.draw(st.sampled_from(self.older[name])))

    @precondition(lambda self: self.play.state.current.round < 3)
    @rule(rare=st.integers(0, 3))
    def go_on_to_the_next_round(self, rare: int) -> None:
        if rare == 0 and self.play.state.phase is Phase.AGREEING:
            self.play.time_is_over()
            self.play.until(Phase.AGREEING)
            if self.play.state.phase is not Phase.AGREEING:
                self.play.time_is_over()
            if self.play.state.phase is Phase.AGREEING:
                self.next_set()

    @invariant()
    def no_owner_signs_two_sets_of_one_round(self) -> None:
        signed: dict[tuple[str, int], set[str]] = {}
        for said in self.said:
            if said.told is None:
                signed.setdefault((said.owner, said.summed.round), set()).add(said.summed.hash)
        assert all(len(hashes) == 1 for hashes in signed.values())

    @invariant()
    def keys_are_told_under_fully_signed_sets_alone_and_never_a_members(self) -> None:
        roster = [owner.party_id for owner in self.play.owners.values()]
        for said in self.said:
            if said.told is not None:
                have = {party for (set_hash, party) in self.signatures if set_hash == said.summed.hash}
                assert have >= set(said.summed.parties), "a key was told under a set that is not fully signed"
                assert keys_in(said.told, said.summed) == 1 + len(outside(roster, said.summed))


@pytest.mark.slow
def test_whatever_a_facilitator_shows_one_set_a_round_is_signed_and_told_under() -> None:
    run_state_machine_as_test(
        DishonestFacilitator,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_attack_of_the_property_succeeds_where_a_set_is_signed_completely(play: Play) -> None:
    """The machine above can reach keys: else its invariants would hold of nothing."""
    machine = DishonestFacilitator()
    machine.show_all_of_it(set())
    whole = machine.base
    told = asked(
        machine.play.owners["clinic-a"],
        machine.play,
        whole,
        [machine.signatures[whole.hash, party] for party in whole.parties],
    )
    assert sha256_hex(to_cbor(told))
