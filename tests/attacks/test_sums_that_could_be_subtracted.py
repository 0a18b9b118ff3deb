"""Jobs that a dishonest Facilitator and Model Owner make to be combined with others, against the shipped services."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.protocol.clock import Clock
from fedtrain.protocol.documents.signed import SignedDocument, Withdrawal, open_document
from fedtrain.protocol.documents.trust import Trust
from fedtrain.protocol.messages.rounds import RoundAnswer, from_cbor, to_cbor
from fedtrain.protocol.messages.tasks import TaskKind
from fedtrain.service.runtime.system_clock import SystemClock
from fedtrain.service.vault.backup import back_up, restore
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.spec.model_spec import ModelSpec
from tests.harness.attackers.coalition import Coalition, Owner, Refused, coalition, start_owner
from tests.harness.attackers.job_material import (
    HEADER,
    Job,
    decrypted_sum,
    make_spec,
    props,
    rows,
    write_table,
)

NAMES = ("ana", "bea", "cleo")
SEVEN = ("ana", "bea", "cleo", "dora", "emil", "fay", "gus")
Scene = Callable[[Coalition, list[Owner]], Awaitable[None]]


def play(
    folder: Path,
    scene: Scene,
    names: Sequence[str] = NAMES,
    tables: Mapping[str, Sequence[str]] | None = None,
    **terms: Any,
) -> None:
    async def run() -> None:
        parts = tables or {name: rows(60, seed) for seed, name in enumerate(names)}
        async with coalition(folder, parts, **terms) as (both, owners):
            await scene(both, owners)

    asyncio.run(run())


async def counted(both: Coalition, job: Job, owners: Sequence[Owner]) -> int:
    """The rows in the sum that these owners answer."""
    answers = await both.run_round(job, owners, both.request(job))
    return int(decrypted_sum(job, answers).ravel()[0]) >> job.budget.counts_fraction_bits


async def all_wait(both: Coalition, job: Job, owners: Sequence[Owner], why: str) -> None:
    """None of them answers, and each says to its own people why."""
    for owner in owners:
        task = await both.task(owner, TaskKind.COMPUTE, job.id, to_cbor(both.request(job)))
        while (waits := (await owner.job(job.id))["waits_because"]) is None:
            await asyncio.sleep(0.01)
        assert why in waits and not both.is_done(task)
        both.take_back(owner, task)
        assert job.id not in [record["job_id"] for record in await owner.released()]


async def offered(both: Coalition, job: Job, owner: Owner) -> bytes | Refused:
    return await both.ask(owner, TaskKind.JOIN, job.id, job.manifest.model_dump_json().encode())


async def register(owner: Owner, **dataset: Any) -> None:
    answer = await owner.http.post("/datasets", json=dataset)
    assert answer.status_code == 201, answer.text


async def signed_by(owner: Owner, job: Job) -> list[dict[str, Any]]:
    """All consents to the job that are at this owner, once it has signed, too."""
    answer = await owner.http.post(f"/consents/{job.id}/sign")
    assert answer.status_code == 200, answer.text
    consents: list[dict[str, Any]] = (await owner.http.get(f"/consents/{job.id}/signed")).json()["consents"]
    return consents


async def hand(owner: Owner, consents: list[dict[str, Any]]) -> None:
    answer = await owner.http.post("/consents", json={"consents": consents})
    assert answer.status_code == 200, answer.text


# The roster


@pytest.mark.slow
def test_two_further_rosters_that_together_leave_one_owner_are_answered_by_nobody(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first = both.deploy()
        await both.close(first, owners)
        assert await counted(both, first, owners) == 60 * 7
        for members in (owners[:3], owners[3:6]):
            job = both.deploy()
            await both.close(job, members)
            await all_wait(both, job, members, "each of the 7 owners concerned has to sign")
        again = both.deploy()
        await both.close(again, owners)
        assert await counted(both, again, owners) == 60 * 7  # the same roster asks nobody

    play(tmp_path, scene, SEVEN)


def test_the_new_rosters_owners_cannot_approve_or_sign_it_among_themselves(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first, second = both.deploy(), both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        members = owners[:3]
        await both.close(second, members)
        await all_wait(both, second, members, "has to sign")
        consents: list[dict[str, Any]] = []
        for owner in members:
            assert (await owner.http.post(f"/models/{second.id}/approve")).json()["type"].endswith("/consent-missing")
            consents += await signed_by(owner, second)
        for owner in members:
            await hand(owner, consents)
            (asked,) = (await owner.job(second.id))["consents"]
            assert [party["name"] for party in asked["missing"]] == ["dora"]
        await all_wait(both, second, members, "has to sign")
        signed = ["consent_signed", "consent_taken", "consent_taken"]
        for owner in members:
            assert [one["decision"] for one in await owner.decisions()] == signed

    play(tmp_path, scene, (*NAMES, "dora"))


@pytest.mark.slow
def test_what_all_owners_of_both_rosters_signed_is_answered(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first, second, third = both.deploy(), both.deploy(), both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        members, left = owners[:3], owners[3]
        await both.close(second, members)
        await all_wait(both, second, members, "has to sign")
        consents = [one for owner in members for one in await signed_by(owner, second)]
        assert (await left.http.post(f"/consents/{second.id}/sign")).status_code == 404  # nobody has asked it yet
        await hand(left, consents)
        (shown,) = (await left.http.get(f"/consents/{second.id}")).json()
        assert [party["name"] for party in shown["roster"]] == [owner.name for owner in sorted(members, key=_party)]
        everything = await signed_by(left, second)
        for owner in members:
            await hand(owner, everything)
        assert await counted(both, second, members) == 180
        # Agreed once, and for this roster alone.
        again, other = both.deploy(), third
        await both.close(again, members)
        assert await counted(both, again, members) == 180
        await both.close(other, owners[1:])
        await all_wait(both, other, owners[1:], "each of the 4 owners concerned has to sign")

    play(tmp_path, scene, (*NAMES, "dora"))


def _party(owner: Owner) -> str:
    return owner.party


def test_a_consent_that_was_altered_or_is_of_another_job_counts_for_nothing(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first, second, third = both.deploy(), both.deploy(), both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        members, left = owners[:3], owners[3]
        for job in (second, third):
            await both.close(job, members)
            await all_wait(both, job, members, "has to sign")
        await hand(left, await signed_by(members[0], second))
        everything = await signed_by(left, second)
        for owner in members[1:]:
            await hand(owner, everything)
            everything = await signed_by(owner, second)
        forged = [{**one, "document": one["document"].replace(second.id, third.id)} for one in everything]
        refused = await members[0].http.post("/consents", json={"consents": forged})
        assert refused.status_code == 400 and refused.json()["type"].endswith("/bad-signature")
        await hand(members[0], everything)
        await all_wait(both, third, members, "has to sign")

    play(tmp_path, scene, (*NAMES, "dora"))


def test_a_job_that_is_denied_is_left_and_the_others_are_told_no_reason(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first, second = both.deploy(), both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        await both.close(second, owners[:3])
        body, denying = to_cbor(both.request(second)), owners[1]
        task = await both.task(denying, TaskKind.COMPUTE, second.id, body)
        while (await denying.job(second.id))["waits_because"] is None:
            await asyncio.sleep(0.01)
        view = await denying.job(second.id)
        assert view["earlier_jobs"][0]["owners"] == ["ana", "bea", "cleo", "dora"]
        denied = await denying.http.post(f"/models/{second.id}/deny", json={"reason": "no"})
        assert denied.json()["phase"] == "CANCELLED"
        assert not (denying.folder / "keys" / f"{second.id}.x25519").exists()
        asked_again = await both.ask(denying, TaskKind.COMPUTE, second.id, to_cbor(both.request(second)))
        for answer in (await both.result(task), asked_again):
            assert isinstance(answer, bytes)
            left = open_document(SignedDocument.model_validate_json(answer), Withdrawal, signer=denying.party)
            assert (left.party, left.code) == (denying.party, "denied")

    play(tmp_path, scene, (*NAMES, "dora"))


# The rows


@pytest.mark.slow
def test_a_changed_table_waits_for_a_person_before_it_is_joined_however_many_rows_changed(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first = both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        victim = owners[0]
        changed = {
            "more": ([*rows(60, 0), "44,1,7"], "1 of this owner's rows would be told apart"),
            "as many": ([*rows(60, 0)[1:], "44,1,7"], "1 of this owner's rows would be told apart"),
            "many more": ([*rows(60, 0), *rows(30, 99)], "this owner's alone"),
        }
        for name, (lines, why) in changed.items():
            write_table(tmp_path / f"{name}.csv", lines)
            await register(victim, path=f"{name}.csv")
            job = both.deploy()
            waits = await offered(both, job, victim)
            assert isinstance(waits, Refused) and why in waits.detail, waits
            assert (await victim.job(job.id))["phase"] == "AWAITING_APPROVAL"
        write_table(tmp_path / "other order.csv", rows(60, 0)[::-1])
        await register(victim, path="other order.csv")
        assert (await both.join(both.deploy(), victim)).answer == "accept"

    play(tmp_path, scene)


@pytest.mark.slow
def test_a_risk_that_a_person_takes_for_its_own_rows_is_answered(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first, second = both.deploy(), both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        victim = owners[0]
        write_table(tmp_path / "more.csv", [*rows(60, 0), *rows(30, 99)])
        await register(victim, path="more.csv")
        assert isinstance(await offered(both, second, victim), Refused)
        assert (await victim.http.post(f"/models/{second.id}/approve")).status_code == 200
        await both.close(second, owners)
        assert await counted(both, second, owners) == 210
        again = both.deploy()
        await both.close(again, owners)
        assert await counted(both, again, owners) == 210  # what was taken once is told: nobody is asked again

    play(tmp_path, scene)


FEATURES = [
    {"name": "age", "type": "continuous", "range": [0, 100]},
    {"name": "dose", "type": "continuous", "range": [-2, 2]},
]
DAYS = {"name": "days", "range": [0, 50], "missing": "drop"}
RELAPSE = {"name": "relapse", "categories": ["no", "yes"], "missing": "drop"}


def two_targets(seed: int) -> list[str]:
    """The sixth row of the first owner lacks its number, the tenth its class."""
    found = []
    for index, line in enumerate(rows(60, seed)):
        age, dose, days = line.split(",")
        lacks = (5, 9) if seed == 0 else ()
        relapse = "yes" if index % 3 else "no"
        found.append(f"{age},{dose},{'' if index in lacks[:1] else days},{'' if index in lacks[1:] else relapse}")
    return found


def test_jobs_of_two_model_types_are_over_the_same_rows(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        for owner in owners:
            schema = {"features": FEATURES, "targets": [DAYS, RELAPSE]}
            await register(owner, path=f"{owner.name}.csv", schema=schema)
        sums = []
        for kind, target in (("LINEAR_REGRESSION", DAYS), ("LOGISTIC_REGRESSION", RELAPSE)):
            training = make_spec(slope="taylor").training.model_dump(mode="json", exclude_defaults=True)
            spec = {"model_type": kind, "data_props": {"features": FEATURES, "target": target}, "training": training}
            job = both.deploy(ModelSpec.model_validate(spec))
            await both.close(job, owners)
            sums.append(await counted(both, job, owners))
            assert [(await owner.job(job.id))["waits_because"] for owner in owners] == [None] * 3
        assert sums == [178, 178]

    tables = {name: two_targets(seed) for seed, name in enumerate(NAMES)}
    play(tmp_path, scene, tables=tables, header="age,dose,days,relapse")


@pytest.mark.slow
def test_a_second_question_on_one_registration_is_over_the_same_rows_and_for_the_same_roster(tmp_path: Path) -> None:
    dictionary = [*FEATURES, {**DAYS, "type": "continuous"}]
    asked = [(FEATURES, DAYS), ([dictionary[2], FEATURES[1]], {k: v for k, v in FEATURES[0].items() if k != "type"})]

    async def scene(both: Coalition, owners: list[Owner]) -> None:
        for owner in owners:
            await register(owner, path=f"{owner.name}.csv", schema={"features": dictionary})
        jobs = []
        for features, target in asked:
            training = make_spec().training.model_dump(mode="json", exclude_defaults=True)
            props = {"features": features, "target": target}
            spec = {"model_type": "LINEAR_REGRESSION", "data_props": props, "training": training}
            jobs.append(ModelSpec.model_validate(spec))
        for spec in jobs:
            job = both.deploy(spec)
            await both.close(job, owners)
            assert await counted(both, job, owners) == 60 * 4
            assert [(await owner.job(job.id))["waits_because"] for owner in owners] == [None] * 4
        job = both.deploy(jobs[1])
        await both.close(job, owners[:3])
        await all_wait(both, job, owners[:3], "each of the 4 owners concerned has to sign")

    play(tmp_path, scene, (*NAMES, "dora"))


@pytest.mark.slow
def test_one_content_under_two_names_and_two_rules_for_missing_values_waits_for_a_person(tmp_path: Path) -> None:
    tables = {name: rows(60, seed) for seed, name in enumerate(NAMES)}
    age, _, days = tables["ana"][7].split(",")
    tables["ana"][7] = f"{age},,{days}"

    def schema(missing: float) -> dict[str, Any]:
        changed = props()
        changed["features"][1].update(missing=missing)
        return changed

    async def scene(both: Coalition, owners: list[Owner]) -> None:
        for name, missing in (("default", 0.0), ("lab", 2.0)):
            for owner in owners:
                await register(owner, name=name, path=f"{owner.name}.csv", schema=schema(missing))
            job = both.deploy(make_spec(schema(missing)).model_copy(update={"dataset": name}))
            if name == "default":
                await both.close(job, owners)
                await both.run_round(job, owners, both.request(job))
                continue
            for owner in owners:
                waits = await offered(both, job, owner)
                assert isinstance(waits, Refused) and "another encoding" in waits.detail

    # The one row whose value is put in place is a cell of its own, which another rule declines.
    play(tmp_path, scene, tables=tables, policy={"min_cell": 0})


@pytest.mark.slow
def test_one_file_under_another_mapping_waits_for_a_person_whatever_it_is_called(tmp_path: Path) -> None:
    """Every hash of a row is another one by the new rules: it is the file that gives the rows away."""

    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first = both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        for owner in owners:
            (tmp_path / f"{owner.name}.toml").write_text("[columns.dose]\nfactor = 0.5\n")
            mapping = {"path": f"{owner.name}.csv", "mapping": f"{owner.name}.toml", "schema": props()}
            for name in ("default", "lab"):
                await register(owner, name=name, **mapping)
                job = both.deploy(make_spec(props()).model_copy(update={"dataset": name}))
                waits = await offered(both, job, owner)
                assert isinstance(waits, Refused) and "it is not known of which rows" in waits.detail
        # The rules that the sums were told under, once more: the same rows, and nobody is asked.
        for owner in owners:
            await register(owner, path=f"{owner.name}.csv")
        again = both.deploy()
        await both.close(again, owners)
        assert await counted(both, again, owners) == 180

    play(tmp_path, scene)


# What is forgotten


async def restarted(both: Coalition, owner: Owner, policy: OwnerPolicy, executor: ThreadPoolExecutor) -> Owner:
    return await start_owner(both, owner.name, both.folder / f"{owner.name}.csv", policy, executor)


async def with_restarts(folder: Path, scene: Callable[..., Awaitable[None]]) -> None:
    both = Coalition(folder)
    known = tuple(load_or_create_identity(folder / name).party_id for name in NAMES)
    trust = Trust(model_owners=(both.model_owner.party_id,), data_owners=known)
    policy = OwnerPolicy(trust=trust, adopt_first_encoding=True)
    with ThreadPoolExecutor(4) as executor:
        owners = []
        for seed, name in enumerate(NAMES):
            data = write_table(folder / f"{name}.csv", rows(60, seed), HEADER)
            owners.append(await start_owner(both, name, data, policy, executor))

        async def restart(place: int) -> None:
            owners[place] = await restarted(both, owners[place], policy, executor)

        try:
            await scene(both, owners, restart)
        finally:
            for owner in owners:
                await owner.stack.aclose()


@pytest.mark.slow
def test_a_store_that_is_set_back_has_not_forgotten_what_was_told(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner], restart: Callable[[int], Awaitable[None]]) -> None:
        await owners[0].stack.aclose()
        store = owners[0].folder / "state.sqlite3"
        shutil.copy(store, tmp_path / "snapshot")
        await restart(0)
        first = both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        await owners[0].stack.aclose()
        shutil.copy(tmp_path / "snapshot", store)
        for beside in owners[0].folder.glob("state.sqlite3-*"):
            beside.unlink()
        await restart(0)
        write_table(tmp_path / "more.csv", [*rows(60, 0), "44,1,7"])
        await register(owners[0], path="more.csv")
        waits = await offered(both, both.deploy(), owners[0])
        assert isinstance(waits, Refused)
        assert "store is older than what it told" in waits.detail
        assert "1 of this owner's rows would be told apart" in waits.detail

    asyncio.run(with_restarts(tmp_path, scene))


@pytest.mark.slow
def test_after_a_backup_was_put_back_a_person_is_asked_once(tmp_path: Path) -> None:
    clock: Clock = SystemClock()

    async def scene(both: Coalition, owners: list[Owner], restart: Callable[[int], Awaitable[None]]) -> None:
        folder = owners[0].folder
        await owners[0].stack.aclose()
        back_up(folder, tmp_path / "archive", clock, folder / "state.sqlite3")
        await restart(0)
        first = both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        await owners[0].stack.aclose()
        shutil.rmtree(folder)
        restore(tmp_path / "archive", folder, clock)
        await restart(0)
        second = both.deploy()
        waits = await offered(both, second, owners[0])
        assert isinstance(waits, Refused) and "put back from a backup" in waits.detail
        assert (await owners[0].http.post(f"/models/{second.id}/approve")).status_code == 200
        for job in (second, both.deploy()):
            await both.close(job, owners)
            assert await counted(both, job, owners) == 180

    asyncio.run(with_restarts(tmp_path, scene))


@pytest.mark.slow
def test_what_was_told_is_on_disk_before_the_answer_leaves_and_outlives_the_job(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        job = both.deploy()
        await both.close(job, owners)
        record = owners[0].folder / "told" / "sums.jsonl"
        assert not record.exists()
        answer = await both.compute(owners[0], both.request(job))
        assert isinstance(answer, RoundAnswer)
        assert job.id in record.read_text() and record.stat().st_mode & 0o777 == 0o600
        end = f'{{"job_id": "{job.id}", "status": "CANCELLED"}}'.encode()
        await both.ask(owners[0], TaskKind.END, job.id, end)
        assert job.id in record.read_text()
        assert not (owners[0].folder / "keys" / f"{job.id}.x25519").exists()

    play(tmp_path, scene)


@pytest.mark.slow
def test_two_owners_that_answer_at_once_are_held_against_each_other(tmp_path: Path) -> None:
    """Of two jobs over two rosters, asked at the same time, each owner in both answers one."""

    async def scene(both: Coalition, owners: list[Owner]) -> None:
        jobs = (both.deploy(), both.deploy())
        await both.close(jobs[0], owners)
        await both.close(jobs[1], owners[:3])
        tasks = [await both.task(owners[0], TaskKind.COMPUTE, job.id, to_cbor(both.request(job))) for job in jobs]
        while True:
            views = [await owners[0].job(job.id) for job in jobs]
            answered = [view["released"]["answers"] for view in views]
            if sum(answered) and any(view["waits_because"] for view in views):
                break
            await asyncio.sleep(0.01)
        assert sorted(answered) == [0, 1]
        body = await both.result(tasks[answered.index(1)])
        assert from_cbor(body, RoundAnswer).round == 0

    play(tmp_path, scene, (*NAMES, "dora"))
