"""Jobs that a dishonest Facilitator and Model Owner make to single out rows by what columns are read as."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.harness.attackers.coalition import Coalition, Owner, coalition
from tests.harness.attackers.job_material import make_spec, props, rows

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
