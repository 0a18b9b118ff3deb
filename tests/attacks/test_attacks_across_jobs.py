"""Jobs that a dishonest Facilitator and Model Owner make to be subtracted from others, or to single out rows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from protocol.documents import SignedDocument, Withdrawal, open_document
from protocol.messages import RoundAnswer, from_cbor, to_cbor
from protocol.tasks import TaskKind
from tests.attacks.coalition import Coalition, Owner, Refused, coalition
from tests.attacks.job_material import (
    make_spec,
    props,
    rows,
    write_table,
)

NAMES = ("ana", "bea", "cleo")
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


# Differencing


def test_a_second_job_over_the_roster_less_one_waits_for_a_person(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first = both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        second = both.deploy()
        await both.close(second, owners[:3])
        for owner in owners[:3]:
            waits = await both.compute(owner, both.request(second))
            assert isinstance(waits, Refused) and waits.code == "waits-for-a-person"
            assert "leaves those of 1 owners" in waits.detail
            assert [record["job_id"] for record in await owner.released()] == [first.id]
        third = both.deploy()
        await both.close(third, owners)
        await both.run_round(third, owners, both.request(third))  # the same roster is no risk

    play(tmp_path, scene, (*NAMES, "dora"))


def test_a_risk_that_a_person_takes_is_answered_and_one_that_is_denied_is_not(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first, second = both.deploy(), both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        await both.close(second, owners[:3])
        body = to_cbor(both.request(second))
        taking, denying = owners[0], owners[1]
        task = await both.task(taking, TaskKind.COMPUTE, second.id, body)
        refused = await both.task(denying, TaskKind.COMPUTE, second.id, body)
        for owner in (taking, denying):
            while (await owner.job(second.id))["waits_because"] is None:
                await asyncio.sleep(0.01)
        view = await taking.job(second.id)
        assert view["differencing_risks"] and view["earlier_jobs"][0]["owners"] == ["ana", "bea", "cleo", "dora"]
        assert (await taking.http.post(f"/models/{second.id}/approve")).status_code == 200
        assert from_cbor(await both.result(task), RoundAnswer).round == 0
        denied = await denying.http.post(f"/models/{second.id}/deny", json={"reason": "no"})
        assert denied.json()["phase"] == "CANCELLED"
        assert not (denying.folder / "keys" / f"{second.id}.x25519").exists()
        # Asked once more or still waiting: it says, signed, that it has left, and nothing else.
        asked_again = await both.ask(denying, TaskKind.COMPUTE, second.id, to_cbor(both.request(second)))
        for answer in (await both.result(refused), asked_again):
            assert isinstance(answer, bytes)
            left = open_document(SignedDocument.model_validate_json(answer), Withdrawal, signer=denying.party)
            assert (left.party, left.code) == (denying.party, "denied")

    play(tmp_path, scene, (*NAMES, "dora"))


def test_a_table_with_one_row_more_waits_for_a_person_before_it_is_joined(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        first, second, third = both.deploy(), both.deploy(), both.deploy()
        await both.close(first, owners)
        await both.run_round(first, owners, both.request(first))
        victim = owners[0]
        write_table(tmp_path / "more.csv", [*rows(60, 0), "44,1,7"])
        assert (await victim.http.post("/datasets", json={"path": "more.csv"})).status_code == 201
        waits = await both.ask(victim, TaskKind.JOIN, second.id, second.manifest.model_dump_json().encode())
        assert isinstance(waits, Refused) and "60 and 61" in waits.detail
        assert (await victim.job(second.id))["phase"] == "AWAITING_APPROVAL"
        write_table(tmp_path / "ten.csv", [*rows(60, 0), *rows(10, 99)])
        assert (await victim.http.post("/datasets", json={"path": "ten.csv"})).status_code == 201
        assert (await both.join(third, victim)).answer == "accept"

    play(tmp_path, scene)


# What the columns are read as


def test_a_range_that_clips_all_but_one_row_is_declined(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        narrow = props()
        narrow["features"][0]["range"] = [99.5, 100]
        declined = await both.declined(both.deploy(make_spec(narrow)), owners[0])
        assert declined.code == "too-few-rows" and "age" in declined.detail
        # The next job may still be the one whose encoding is adopted.
        assert (await both.join(both.deploy(), owners[0])).answer == "accept"

    play(tmp_path, scene, tables={"ana": [*rows(60, 0), "99.7,0,1"]})


def test_the_same_column_twice_with_different_ranges_is_declined(tmp_path: Path) -> None:
    async def scene(both: Coalition, owners: list[Owner]) -> None:
        age, dose = props()["features"]
        twice = {"col_idx": 0, "type": "continuous", "range": [0, 50]}
        declined = await both.declined(both.deploy(make_spec(props(features=[age, twice, dose]))), owners[0])
        assert declined.code == "encoding-differs"
        # And not in two jobs either: the first one that was joined fixed the encoding.
        assert (await both.join(both.deploy(), owners[0])).answer == "accept"
        other = props(features=[{**age, "range": [0, 50]}, dose])
        declined = await both.declined(both.deploy(make_spec(other)), owners[0])
        assert declined.code == "encoding-differs" and "range" in declined.detail

    play(tmp_path, scene)


def test_a_category_with_three_rows_is_declined(tmp_path: Path) -> None:
    lines = [f"{line},{'rare' if index < 3 else 'common'}" for index, line in enumerate(rows(60, 0))]

    async def scene(both: Coalition, owners: list[Owner]) -> None:
        ward = {"name": "ward", "type": "nominal", "categories": ["common", "rare"]}
        job = both.deploy(make_spec(props(features=[*props()["features"], ward])))
        declined = await both.declined(job, owners[0])
        assert declined.code == "too-few-rows" and "ward = rare: 3" in declined.detail

    play(tmp_path, scene, tables={"ana": lines}, header="age,dose,days,ward")
