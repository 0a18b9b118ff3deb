"""A job is cancelled wherever it is: every party says so, no key outlives it, no task stays open, nobody is waited for.

The work that is under way at that moment is held in the middle, and let go once everybody has been told: what comes of
it is too late, and changes nothing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

import fedtrain.data_owner.data.frozen.moments_freezer
import fedtrain.data_owner.release.ledger
import fedtrain.facilitator.runner
import fedtrain.facilitator.service
import fedtrain.model_owner.jobs.effects
import fedtrain.model_owner.sums.keys
from fedtrain.client.facilitator import FacilitatorClient
from fedtrain.facilitator.store.tables import tasks
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.messages.rounds import Kind, RoundRequest, from_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.simulation.federation import Federation, Party
from fedtrain.spec.problems import Code, Problem
from tests.harness.interrupted import (
    DESCENT,
    EVALUATED,
    SHARED,
    WINDOWS,
    Site,
    ended_everywhere,
    reached,
    spec,
)

REASON = "wrong spec"
Lines = list[Any]


class Hold:
    """A function that stops its first caller of a kind in the middle of its work, in its thread, until it is let go."""

    def __init__(self, work: Callable[..., Any], of: Callable[..., bool]) -> None:
        self._work = work
        self._of = of
        self.reached = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if not self.reached.is_set() and self._of(*arguments):
            self.reached.set()
            self.let_go.wait()
        return self._work(*arguments, **options)


def whatever(*_arguments: Any) -> bool:
    return True


def asks(kind: Kind, number: int, window_step: int = 0) -> Callable[..., bool]:
    """Say whether an owner is computing its answer to such a request."""

    def is_it(_job: Any, request: RoundRequest, *_others: Any) -> bool:
        return (request.kind, request.round, request.window_step) == (kind, number, window_step)

    return is_it


def adds(kind: Kind, number: int) -> Callable[..., bool]:
    """Say whether the Facilitator is adding the answers to such a request."""

    def is_it(_modulus: int, _budget: Any, request: bytes, *_others: Any) -> bool:
        asked = from_cbor(request, RoundRequest)
        return (asked.kind, asked.round) == (kind, number)

    return is_it


@dataclass(frozen=True)
class Moment:
    """Moment at which `work` of `module` is held: the job's phases then, and the log's name for what came too late.

    `late`: the event, and the kind of the task where it is one's.
    """

    module: Any
    work: str
    facilitator: str
    owner: str
    late: tuple[str, str | None]
    of: Callable[..., bool] = whatever
    training: dict[str, Any] = field(default_factory=lambda: DESCENT)
    model_owner: str = "TRAINING"


ANSWER = (
    fedtrain.data_owner.release.ledger,
    "compute_answer",
    "WAITING_FOR_DATA_OWNERS",
    "JOINED",
    ("task dropped", TaskKind.COMPUTE),
)
SUM = (fedtrain.facilitator.runner, "add_answers", "ADDING", "JOINED", ("sum no longer needed", None))
STEP = ("WAITING_FOR_MODEL_OWNER", "JOINED", ("step no longer needed", None))

MOMENTS = {
    "a table is frozen": Moment(
        fedtrain.data_owner.data.frozen.moments_freezer.MomentsFreezer,
        "freeze_job",
        "JOINING",
        "OFFERED",
        ("task dropped", TaskKind.JOIN),
        model_owner="JOINING",
    ),
    "the counts are asked": Moment(*ANSWER, asks(RoundKind.COUNTS, 0)),
    "the counts are added": Moment(*SUM, adds(RoundKind.COUNTS, 0)),
    "the private key is read": Moment(fedtrain.model_owner.sums.keys, "private_key_from_dict", *STEP),
    "the counts' sum is opened": Moment(fedtrain.model_owner.jobs.effects, "open_sum", *STEP),
    "the encryptor is asked for": Moment(fedtrain.model_owner.sums.keys.KeyRing, "encryptor", *STEP),
    "the encryptor is made": Moment(fedtrain.model_owner.sums.keys, "KeyHolderEncryptor", *STEP),
    "the first weights are encrypted": Moment(fedtrain.model_owner.jobs.effects, "encrypt_points", *STEP),
    "a round runs": Moment(*ANSWER, asks(RoundKind.GRADIENT, 2)),
    "a gradient is added": Moment(*SUM, adds(RoundKind.GRADIENT, 2)),
    "a window's step runs": Moment(*ANSWER, asks(RoundKind.GRADIENT, 6, 1), WINDOWS),
    "a window's step is added": Moment(*SUM, adds(RoundKind.GRADIENT, 6), WINDOWS),
    "a window is opened": Moment(fedtrain.model_owner.jobs.effects, "open_window", *STEP, training=WINDOWS),
    "a validation loss is asked": Moment(*ANSWER, asks(RoundKind.VALIDATION_LOSS, 2), EVALUATED),
    "the moments are asked": Moment(*ANSWER, asks(RoundKind.MOMENTS, 1), {"optimizer": "newton"}),
    "a round with sealed weights runs": Moment(*ANSWER, asks(RoundKind.GRADIENT, 2), SHARED),
    "weights are sealed": Moment(fedtrain.model_owner.jobs.effects, "seal_point", *STEP, training=SHARED),
}


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


async def heard_of_everywhere(parties: Federation, model_id: str) -> None:
    """The first owner may be at work on the offer before the others have seen it, or the Model Owner has its answer."""
    for owner in parties.data_owners:
        while not await owner.get("/models"):
            await asyncio.sleep(0.01)
    while (await parties.model_owner.get(f"/models/{model_id}"))["phase"] == "DEPLOYING":
        await asyncio.sleep(0.01)


async def cancelled(parties: Federation, model_id: str, reason: str = REASON) -> None:
    answer = await parties.model_owner.http.delete(f"/models/{model_id}", params={"reason": reason})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["phase"], said["reason"], said["waiting_for"]) == ("CANCELLED", REASON, [])


async def all_tasks_closed(parties: Federation, model_id: str) -> None:
    """Once the last END is answered, which an owner does after whatever it was at."""
    store = parties.facilitator.app.state.runner._own.store
    still_open = sa.select(tasks.c.id).where(tasks.c.job_id == model_id, tasks.c.closed.is_(False))
    with store.engine.connect() as connection:
        while connection.execute(still_open).all():
            connection.rollback()
            await asyncio.sleep(0.01)


async def nothing_is_left(parties: Federation, model_id: str) -> None:
    """Return what is true at every party once all of them know, and what was under way is over."""
    await all_tasks_closed(parties, model_id)
    for party in everyone(parties):
        seen = await party.get(f"/models/{model_id}")
        assert (seen["phase"], seen["status"], seen["reason"]) == ("CANCELLED", "CANCELLED", REASON), party.name
    for party in (parties.facilitator, parties.model_owner):
        assert (await party.get(f"/models/{model_id}"))["waiting_for"] == []
    assert (await parties.model_owner.get(f"/models/{model_id}"))["refusal"] is None
    for party in everyone(parties):
        assert keys_of(party) == [], party.name
        assert in_memory(party) == 0, party.name


async def no_owner_has_a_key(parties: Federation, model_id: str) -> None:
    await all_tasks_closed(parties, model_id)
    for owner in parties.data_owners:  # one that was told of the end before it saw the offer knows of no job
        assert [job["status"] for job in await owner.get("/models")] in ([], ["CANCELLED"])
        assert (keys_of(owner), in_memory(owner)) == ([], 0)


def everyone(parties: Federation) -> tuple[Party, ...]:
    return (parties.facilitator, parties.model_owner, *parties.data_owners)


def keys_of(party: Party) -> list[str]:
    return sorted(path.name for path in (party.state_dir / "keys").glob("*"))


def in_memory(party: Party) -> int:
    """Private keys, encryptors, mask keys and pools that a party holds for its jobs."""
    if party.name == "facilitator":
        return 0
    if party.name == "model-owner":
        ring = party.app.state.desk.preparation._keys
        return len(ring._loaded) + len(ring._encryptors)
    effects = party.app.state.parts.jobs.effects
    return len(effects._answering) + len(effects._shop.pools._pools)


#: Near others of their kind.
SLOW = {
    "the counts are added",
    "the counts' sum is opened",
    "the encryptor is made",
    "the first weights are encrypted",
    "a round runs",
    "a window's step is added",
    "a window is opened",
    "the moments are asked",
    "weights are sealed",
}


@pytest.mark.parametrize("when", [pytest.param(one, marks=pytest.mark.slow if one in SLOW else []) for one in MOMENTS])
def test_what_is_under_way_when_a_job_is_cancelled_comes_to_nothing(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = MOMENTS[when]
    hold = Hold(getattr(moment.module, moment.work), moment.of)
    # A plain function: as an attribute of a class it must still be given its instance.
    monkeypatch.setattr(moment.module, moment.work, lambda *arguments, **options: hold(*arguments, **options))

    async def play(lines: Lines) -> None:
        async with Site(tmp_path).running() as parties:
            try:
                model_id = await parties.deploy(spec(**moment.training))
                await until(hold.reached.is_set)
                await heard_of_everywhere(parties, model_id)
                there = await parties.facilitator.get(f"/models/{model_id}")
                here = await parties.model_owner.get(f"/models/{model_id}")
                assert (there["phase"], here["phase"]) == (moment.facilitator, moment.model_owner)
                assert there["waiting_for"]
                at_owners = [await owner.get(f"/models/{model_id}") for owner in parties.data_owners]
                assert moment.owner in {seen["phase"] for seen in at_owners}
                await cancelled(parties, model_id)
                while (await parties.facilitator.get(f"/models/{model_id}"))["phase"] != "CANCELLED":
                    await asyncio.sleep(0.01)
            finally:
                hold.let_go.set()
            await until(lambda: any(named(line) == moment.late for line in lines))
            await ended_everywhere(parties, model_id)
            await nothing_is_left(parties, model_id)
            await cancelled(parties, model_id, "again")

    with capture_logs() as lines:
        asyncio.run(play(lines))


def named(line: Any) -> tuple[str, str | None]:
    return line["event"], line.get("kind")


def test_a_job_whose_key_is_being_made_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Hold(fedtrain.model_owner.sums.keys.generate_keypair, whatever)
    monkeypatch.setattr(fedtrain.model_owner.sums.keys, "generate_keypair", hold)

    async def play() -> None:
        async with Site(tmp_path).running() as parties:
            try:
                model_id = await parties.deploy(spec(**DESCENT))
                await until(hold.reached.is_set)
                assert (await parties.model_owner.get(f"/models/{model_id}"))["phase"] == "PREPARING"
                await cancelled(parties, model_id)
            finally:
                hold.let_go.set()
            await until(lambda: not parties.model_owner.app.state.desk.preparation.busy)
            assert (keys_of(parties.model_owner), in_memory(parties.model_owner)) == ([], 0)
            assert (await parties.model_owner.get(f"/models/{model_id}"))["phase"] == "CANCELLED"
            for party in (parties.facilitator, *parties.data_owners):
                with pytest.raises(Problem) as caught:
                    await party.get(f"/models/{model_id}")
                assert caught.value.code is Code.MODEL_NOT_FOUND

    asyncio.run(play())


def test_a_manifest_that_comes_after_its_cancelling_opens_no_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server works a request off whose caller has gone away: a manifest takes longer to check than a cancelling."""
    on_its_way, let_in = asyncio.Event(), asyncio.Event()
    posted: list[asyncio.Task[Any]] = []
    post = fedtrain.facilitator.service.JobService.post_manifest

    async def late(service: Any, job_id: str, caller: str, body: bytes) -> Any:
        on_its_way.set()
        await let_in.wait()
        return await post(service, job_id, caller, body)

    async def as_a_server_does(service: Any, job_id: str, caller: str, body: bytes) -> Any:
        if on_its_way.is_set():
            return await post(service, job_id, caller, body)
        posted.append(asyncio.create_task(late(service, job_id, caller, body)))
        return await asyncio.shield(posted[0])

    monkeypatch.setattr(fedtrain.facilitator.service.JobService, "post_manifest", as_a_server_does)

    async def play() -> None:
        async with Site(tmp_path).running() as parties:
            model_id = await parties.deploy(spec(**DESCENT))
            await on_its_way.wait()
            assert (await parties.model_owner.get(f"/models/{model_id}"))["phase"] == "DEPLOYING"
            await cancelled(parties, model_id)
            await until(lambda: not parties.model_owner.app.state.desk.preparation.busy)
            let_in.set()
            await posted[0]
            assert (await parties.facilitator.get(f"/models/{model_id}"))["phase"] == "CANCELLED"
            await no_owner_has_a_key(parties, model_id)

    asyncio.run(play())


@pytest.mark.parametrize("arrives", [False, True], ids=["never came there", "is there unheard"])
def test_a_job_is_cancelled_while_its_manifest_is_on_its_way(
    arrives: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted, cut = asyncio.Event(), True
    post = FacilitatorClient.post_manifest

    async def over_a_bad_line(client: Any, job_id: str, signed: Any) -> None:
        if arrives or not cut:
            await post(client, job_id, signed)
        posted.set()
        if cut:
            raise Problem(Code.FACILITATOR_UNREACHABLE, "The line was cut.")

    monkeypatch.setattr(FacilitatorClient, "post_manifest", over_a_bad_line)

    async def play() -> None:
        nonlocal cut
        async with Site(tmp_path).running() as parties:
            model_id = await parties.deploy(spec(**DESCENT))
            await posted.wait()
            assert (await parties.model_owner.get(f"/models/{model_id}"))["phase"] == "DEPLOYING"
            await cancelled(parties, model_id)
            assert keys_of(parties.model_owner) == []
            cut = False
            await until(lambda: not parties.model_owner.app.state.desk.preparation.busy)
            assert (await parties.facilitator.get(f"/models/{model_id}"))["phase"] == "CANCELLED"
            await no_owner_has_a_key(parties, model_id)

    asyncio.run(play())


def test_a_job_that_waits_for_a_person_waits_no_more(tmp_path: Path) -> None:
    """One owner has joined and its mask key is made; another one's people have yet to decide."""

    async def play() -> None:
        async with Site(tmp_path).running() as parties:
            hesitant = parties.data_owners[1]
            jobs = hesitant.app.state.parts.jobs
            jobs.policy = jobs.policy.model_copy(update={"approval": "by_hand"})
            model_id = await parties.deploy(spec(**DESCENT))

            def for_it_alone(state: dict[str, Any]) -> bool:
                return [one["name"] for one in state["waiting_for"] or ()] == [hesitant.name]

            assert (await reached(parties, model_id, for_it_alone))["phase"] == "JOINING"
            while (await hesitant.get(f"/models/{model_id}"))["phase"] != "AWAITING_APPROVAL":
                await asyncio.sleep(0.01)
            assert all(keys_of(owner) for owner in parties.data_owners if owner is not hesitant)
            await cancelled(parties, model_id)
            await ended_everywhere(parties, model_id)
            await nothing_is_left(parties, model_id)
            with pytest.raises(Problem, match="waits for nobody") as caught:
                await hesitant.post(f"/models/{model_id}/approve", {})
            assert caught.value.code is Code.WRONG_STATE

    asyncio.run(play())


@pytest.mark.slow
def test_a_job_that_has_finished_is_not_cancelled_and_keeps_its_model(tmp_path: Path) -> None:
    async def play() -> None:
        async with Site(tmp_path).running() as parties:
            model_id = await parties.deploy(spec(**{**DESCENT, "rounds": 2}))
            before = await parties.wait(model_id)
            await ended_everywhere(parties, model_id)
            answer = await parties.model_owner.http.delete(f"/models/{model_id}")
            assert answer.status_code == 409
            assert Problem.from_dict(answer.json(), 409).code is Code.JOB_OVER
            after = await parties.model_owner.get(f"/models/{model_id}")
            assert (after["status"], after["coefficients"]) == ("FINISHED", before["coefficients"])
            for party in (parties.facilitator, *parties.data_owners):
                assert (await party.get(f"/models/{model_id}"))["status"] == "FINISHED"

    asyncio.run(play())
