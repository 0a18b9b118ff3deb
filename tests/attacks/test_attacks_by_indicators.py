"""Jobs that make an indicator of few people out of what looks like an ordinary column: each is declined, or waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fedtrain.protocol.messages.tasks import TaskKind
from tests.harness.attackers.coalition import Coalition, Owner, Refused, coalition
from tests.harness.attackers.job_material import HEADER, Job, make_spec, props, rows

TYPO = 41


def play(
    folder: Path,
    scene: Callable[[Coalition, Owner], Awaitable[None]],
    lines: Sequence[str],
    header: str = HEADER,
) -> None:
    """One owner with this table, which has pinned the Model Owner and goes by the default policy else."""

    async def run() -> None:
        async with coalition(folder, {"ana": lines}, header=header) as (both, (owner,)):
            await scene(both, owner)

    asyncio.run(run())


async def waits(both: Coalition, owner: Owner, job: Job) -> str:
    """Offer a job that waits for a person; why, as the owner's own people see it. Others were told nothing."""
    answer = await both.ask(owner, TaskKind.JOIN, job.id, job.manifest.model_dump_json().encode())
    assert isinstance(answer, Refused), answer
    assert (await owner.job(job.id))["phase"] == "AWAITING_APPROVAL"
    return answer.detail


def test_a_constant_for_missing_values_at_the_end_of_a_huge_range_is_declined(tmp_path: Path) -> None:
    lines = rows(60, 0)
    age, _, days = lines[7].split(",")
    lines[7] = f"{age},,{days}"

    async def scene(both: Coalition, owner: Owner) -> None:
        wide = props(decimal=".")
        wide["features"][1].update(range=[-(2.0**84), 2.0**84], missing=2.0**84)
        declined = await both.declined(both.deploy(make_spec(wide)), owner)
        assert declined.code == "too-few-rows"
        assert "dose missing: 1" in declined.detail and "dose other than its most common value: 1" in declined.detail

    play(tmp_path, scene, lines)


@pytest.mark.parametrize("optimizer", ["gradient_descent", "newton"])
def test_a_range_by_which_rounding_tells_one_person_from_all_others_is_declined(tmp_path: Path, optimizer: str) -> None:
    lines = rows(60, 1)
    lines[3] = "104.5,1.234,37.5"  # the oldest; all others are below 102, and round to 0

    async def scene(both: Coalition, owner: Owner) -> None:
        wide = props(decimal=".")
        wide["features"][0].update(range=[-204.0 * 2.0**64, 204.0 * 2.0**64])
        declined = await both.declined(both.deploy(make_spec(wide, optimizer=optimizer)), owner)
        assert declined.code == "too-few-rows" and "age other than its most common value: 1" in declined.detail

    play(tmp_path, scene, lines)


def test_a_validation_part_with_few_rows_of_a_category_waits_for_a_person(tmp_path: Path) -> None:
    # All ten rows of one category lie in the training part once in nine tables; of twelve, once in 10^11.
    lines = [
        f"{age},{f'rare {row // 10}' if row < 120 else 'common'},{days}"
        for row, (age, _, days) in enumerate(line.split(",") for line in rows(300, 0))
    ]
    kind = {"name": "kind", "type": "nominal", "categories": ["common", *(f"rare {each}" for each in range(12))]}
    both_columns: dict[str, Any] = props(features=[props()["features"][0], kind], decimal=".")

    async def scene(both: Coalition, owner: Owner) -> None:
        shows_parts = both.deploy(make_spec(both_columns, optimizer="newton", l2="auto"))
        detail = await waits(both, owner, shows_parts)
        assert "the training part: kind = rare" in detail or "the validation part: kind = rare" in detail
        # Ten rows of it in all are enough for a job that shows no parts.
        assert (await both.join(both.deploy(make_spec(both_columns, optimizer="newton")), owner)).answer == "accept"

    play(tmp_path, scene, lines, header="age,kind,days")


def typing_error(count: int = 60) -> list[str]:
    """Dose follows from age, but for one person."""
    lines = []
    for row, line in enumerate(rows(count, 2)):
        age, _, days = line.split(",")
        lines.append(f"{age},{float(age) / 50 - (0.001 if row == TYPO else 0):.6f},{days}")
    return lines


def test_a_typing_error_in_a_column_that_follows_from_another_waits_for_a_person(tmp_path: Path) -> None:
    async def scene(both: Coalition, owner: Owner) -> None:
        spec = make_spec(props(decimal="."))
        job, another = both.deploy(spec), both.deploy(spec)
        detail = await waits(both, owner, job)
        assert "1 of 60 rows in the table has a leverage above max_leverage (0.99" in detail
        assert "age (1), dose (1)" in detail
        assert (await owner.http.post(f"/models/{job.id}/approve")).status_code == 200
        assert (await both.join(job, owner)).answer == "accept"
        (decision,) = await owner.decisions()
        assert decision["decision"] == "risks_taken" and "age (1), dose (1)" in " ".join(decision["about"])
        # What a person approved is approved for this version of the table, not for another.
        assert (await both.join(another, owner)).answer == "accept"

    play(tmp_path, scene, typing_error())


def test_a_person_who_denies_such_a_job_tells_others_no_more_than_that_the_data_are_refused(tmp_path: Path) -> None:
    async def scene(both: Coalition, owner: Owner) -> None:
        job = both.deploy(make_spec(props(decimal=".")))
        await waits(both, owner, job)
        answer = await owner.http.post(f"/models/{job.id}/deny", json={"reason": "that is her"})
        assert answer.json()["code"] == "denied"
        declined = await both.join(job, owner)
        assert '"data-refused"' in declined.signed.document and "that is her" not in declined.signed.document

    play(tmp_path, scene, typing_error())


def test_what_will_be_declined_or_wait_is_said_when_the_table_is_registered(tmp_path: Path) -> None:
    async def scene(both: Coalition, owner: Owner) -> None:
        (tmp_path / "typo.csv").write_text("\n".join(["age,dose,days", *typing_error()]))
        schema = props(decimal=".")
        sent = {"name": "typo", "path": "typo.csv", "schema": schema}
        answer = await owner.http.post("/datasets", json=sent)
        assert answer.status_code == 201, answer.text
        first, *of_parts = answer.json()["findings"]
        assert first.startswith("Every job without privacy will wait for a person. 1 of 60 rows")
        assert all("validation will wait" in finding for finding in of_parts)
        (tmp_path / "few.csv").write_text("\n".join(["age,dose,days", *rows(60, 0), "101,0,3"]))
        answer = await owner.http.post("/datasets", json={"name": "few", "path": "few.csv", "schema": schema})
        (declined,) = answer.json()["findings"]
        assert (
            declined.startswith("Every job without privacy will be declined.") and "age above its range: 1" in declined
        )
        listed = {one["name"]: one["findings"] for one in (await owner.http.get("/datasets")).json()}
        assert listed["typo"] == [first, *of_parts] and listed["few"] == [declined] and listed["default"] == []

    play(tmp_path, scene, rows(60, 0))
