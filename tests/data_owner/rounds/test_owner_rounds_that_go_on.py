"""A log and a number of rows that an owner refuses where rounds go on without somebody, by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fedtrain.data_owner import job as j
from fedtrain.data_owner.round import step
from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.protocol.messages.rounds import (
    REQUEST_TAG,
    Compute,
    LogEntry,
    RoundRequest,
    SignedBytes,
    from_cbor,
    to_cbor,
)
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.protocol.states import Phase
from fedtrain.spec.problems import Code, Problem
from tests.harness.data_owner.dropouts import Play
from tests.harness.data_owner.federation_owner import OwnerParty
from tests.harness.data_owner.federation_parties import START
from tests.harness.round_sums import registered


@pytest.fixture(autouse=True)
def method() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def play() -> Play:
    """Round 1 has its sum, and round 2 is asked."""
    play = Play()
    play.until(Phase.ADDING)
    play.until(Phase.WAITING_FOR_DATA_OWNERS)
    assert play.state.current.round == 2
    return play


def task_of(play: Play, owner: OwnerParty) -> Compute:
    task = next(one for one in play.tasks(TaskKind.COMPUTE) if one.recipient == owner.party_id)
    return from_cbor(task.request, Compute)


def forged(play: Play, compute: Compute, entry: LogEntry, **request: object) -> Compute:
    """Return the request as the Model Owner would sign it where it had been shown another last entry."""
    previous = to_cbor(entry)
    asked = from_cbor(compute.request.body, RoundRequest).model_copy(
        update={"log_head": sha256_hex(previous), **request}
    )
    signed = SignedBytes.sign(to_cbor(asked), REQUEST_TAG, play.model_owner.identity)
    return compute.model_copy(update={"request": signed, "previous_entry": previous})


def refused(owner: OwnerParty, compute: Compute) -> Problem:
    assert owner.state is not None
    with pytest.raises(Problem) as raised:
        step(owner.owner, owner.state, j.Asked(compute, None), START)
    return raised.value


def answered(owner: OwnerParty, compute: Compute) -> bool:
    assert owner.state is not None
    return isinstance(step(owner.owner, owner.state, j.Asked(compute, None), START).effects[0], j.Answer)


def altered(entry: LogEntry, case: str, own: str) -> LogEntry:
    mine = {record.party: record for record in entry.answers}[own]
    others = tuple(record for record in entry.answers if record.party != own)
    given = mine.model_copy(update={"answer_hash": "00" * 32})
    changes: dict[str, dict[str, object]] = {
        "another entry before it": {"previous": "00" * 32},
        "an earlier round": {"round": 0},
        "another answer": {"answers": tuple(sorted((*others, given), key=lambda record: record.party))},
        "without this owner": {"answers": others},
        "without another owner": {"answers": (mine,)},
    }
    return entry.model_copy(update=changes[case])


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("another entry before it", "entry 1 does not follow the entry that round 1 stood on"),
        ("an earlier round", "entry 1 is of round 0, and round 1 stood before it"),
        ("another answer", "entry 1 records another answer of this owner than it gave"),
        ("without this owner", "entry 1 records the sum over another set than this owner signed"),
        ("without another owner", "entry 1 records the sum over another set than this owner signed"),
    ],
)
def test_a_log_that_does_not_hold_what_this_owner_answered_and_signed_is_refused(
    play: Play, case: str, words: str
) -> None:
    owner = play.owners["clinic-a"]
    compute = task_of(play, owner)
    entry = from_cbor(compute.previous_entry, LogEntry)
    assert answered(owner, forged(play, compute, entry)), "the log as it is"
    problem = refused(owner, forged(play, compute, altered(entry, case, owner.party_id)))
    assert problem.code is Code.LOG_INCONSISTENT
    assert words in problem.detail


def test_an_owner_that_missed_a_round_takes_the_entry_it_has_not_seen() -> None:
    play = Play()
    play.until(Phase.ADDING)
    play.until(Phase.WAITING_FOR_DATA_OWNERS)
    play.away = {"clinic-a"}
    play.until(Phase.AGREEING)
    play.time_is_over()
    play.until(Phase.ADDING)
    play.until(Phase.WAITING_FOR_DATA_OWNERS)
    play.away = set()
    owner = play.owners["clinic-a"]
    compute = task_of(play, owner)
    assert (play.state.current.round, owner.state and owner.state.last and owner.state.last.round) == (3, 1)
    assert answered(owner, compute)


def test_rows_in_all_are_those_of_the_rosters_size_bands() -> None:
    play = Play()
    play.until(Phase.WAITING_FOR_DATA_OWNERS)
    owner = play.owners["clinic-a"]
    compute = task_of(play, owner)
    assert owner.state is not None and owner.state.rows_total is None
    roster = j.RosterFetched(play.facilitator.kept.rosters[0])
    owner.kept.state = step(owner.owner, owner.state, roster, START).state.model_dump_json()
    entry = from_cbor(compute.previous_entry, LogEntry)
    for rows in (6 * 64 - 1, 6 * 64 + 1):
        problem = refused(owner, forged(play, compute, entry, rows_total=rows))
        assert problem.code is Code.ROWS_TOTAL_REFUSED
        assert f"{rows} rows in all, the roster's size bands are 384" in problem.detail
    assert answered(owner, forged(play, compute, entry))
