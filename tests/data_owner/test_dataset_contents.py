"""A dataset's contents, for its owner's own people: columns in counts, a mapping's effect, another dictionary."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fedtrain.service.store.streamed_file import save_stream
from tests.data_owner.test_owner_api import SCHEMA, TABLE, Started, _problem, play

ROWS = 40
WITH_SEX = "Geschlecht,days\n" + "male,1\n" * 30 + "Female,2\n" * 9 + "?,3\n"
BY_SEX: dict[str, Any] = {
    "header": True,
    "features": [{"name": "sex", "type": "nominal", "categories": ["F", "M"], "missing": "drop"}],
    "target": {"name": "days", "range": [0, 4]},
}
MAPPING = """
[columns.sex]
from = "Geschlecht"
recode = { male = "M", female = "F" }
fold = true
missing = ["?"]
"""


def named(found: list[dict[str, Any]], column: str) -> dict[str, Any]:
    return next(one for one in found if one["column"] == column)


def test_columns_are_counted_in_equal_parts_of_what_was_declared(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        (started.data / "t.csv").write_text(TABLE)
        narrow = {
            **SCHEMA,
            "features": [{"name": "age", "type": "continuous", "range": [30, 50]}, SCHEMA["features"][1]],
        }
        await started.owner.post("/datasets", json={"path": "t.csv", "schema": narrow})
        found = (await started.owner.get("/datasets/default/contents")).json()
        age = named(found["columns"], "age")
        # Ages 20 to 59, one each: 30 to 50 are within, the last part takes 49 and 50.
        assert (age["range"], age["bins"]) == ([30.0, 50.0], [1] * 19 + [2])
        assert (age["clipped_low"], age["clipped_high"]) == (10, 9)
        assert (found["rows"], found["mapping"]) == (ROWS, [])

    play(tmp_path, scene)


def test_without_a_declaration_nothing_is_counted_and_a_dictionary_is_tried_without_declaring_it(
    tmp_path: Path,
) -> None:
    async def scene(started: Started) -> None:
        (started.data / "t.csv").write_text(TABLE)
        before = (await started.owner.post("/datasets", json={"path": "t.csv"})).json()
        assert (await started.owner.get("/datasets/default/contents")).json()["columns"] == []
        fits = (await started.owner.post("/datasets/default/check", json={"schema": SCHEMA})).json()
        assert (fits["rows"], sum(named(fits["columns"], "days")["bins"])) == (ROWS, ROWS)
        other = {**SCHEMA, "target": {"name": "cost", "range": [0, 5]}}
        fits_not = (await started.owner.post("/datasets/default/check", json={"schema": other})).json()
        assert fits_not["fits"] is False
        assert "cost" in " ".join(fits_not["findings"])
        (after,) = (await started.owner.get("/datasets")).json()
        assert after == before

    play(tmp_path, scene)


def test_a_mappings_effect_is_shown_before_and_after(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        (started.data / "t.csv").write_text(WITH_SEX)
        (started.data / "m.toml").write_text(MAPPING)
        body = {"path": "t.csv", "schema": BY_SEX, "mapping": "m.toml"}
        assert (await started.owner.post("/datasets", json=body)).status_code == 201
        found = (await started.owner.get("/datasets/default/contents")).json()
        sex = named(found["mapping"], "sex")
        assert (sex["source"], sex["values"], sex["missing"], sex["recoded"]) == ("Geschlecht", ROWS, 1, 39)
        assert sex["listed"] == [["male", "M", 30], ["Female", "F", 9], ["?", None, 1]]
        assert named(found["columns"], "sex")["categories"] == {"F": 9, "M": 30}

        # Another mapping file is tried, and the registered one stays.
        (started.data / "n.toml").write_text(MAPPING.replace('male = "M", female = "F"', 'male = "M"'))
        tried = await started.owner.post("/datasets/default/check", json={"schema": BY_SEX, "mapping": "n.toml"})
        assert named(tried.json()["mapping"], "sex")["recoded"] == 30
        assert tried.json()["fits"] is False

    play(tmp_path, scene)


def test_a_dictionary_is_tried_that_is_as_large_as_one_that_is_declared(tmp_path: Path) -> None:
    codes = [f"code {number}" for number in range(5_500)]
    large = {
        "header": True,
        "features": [{"name": name, "type": "nominal", "categories": codes} for name in ("first", "second")],
        "target": {"name": "days", "range": [0, 4]},
    }

    async def scene(started: Started) -> None:
        (started.data / "t.csv").write_text("first,second,days\n" + "code 7,code 8,1\n" * ROWS)
        await started.owner.post("/datasets", json={"path": "t.csv"})
        tried = await started.owner.post("/datasets/default/check", json={"schema": large})
        assert tried.status_code == 200, tried.text
        assert named(tried.json()["columns"], "first")["categories"]["code 7"] == ROWS
        larger = {**large, "features": [*large["features"] * 10]}
        _problem(await started.owner.post("/datasets/default/check", json={"schema": larger}), 413, "body-too-large")

    play(tmp_path, scene)


def test_a_mappings_effect_is_found_once_for_a_version(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        async def look() -> dict[str, Any]:
            found: dict[str, Any] = (await started.owner.get("/datasets/default/contents")).json()
            return found

        table = started.data / "t.csv"
        table.write_text(WITH_SEX)
        (started.data / "m.toml").write_text(MAPPING)
        await started.owner.post("/datasets", json={"path": "t.csv", "schema": BY_SEX, "mapping": "m.toml"})
        first = await look()
        table.unlink()
        assert await look() == first, "the table is not read again"

        table.write_text(WITH_SEX)
        (started.data / "m.toml").write_text(MAPPING.replace("fold = true", "fold = false"))
        await started.owner.post("/datasets", json={"path": "t.csv", "schema": BY_SEX, "mapping": "m.toml"})
        assert named((await look())["mapping"], "sex")["recoded"] == 30, "another version is another mapping's"

    play(tmp_path, scene)


def test_what_is_asked_wrongly_or_by_strangers_is_refused(tmp_path: Path) -> None:
    async def scene(started: Started) -> None:
        (started.data / "t.csv").write_text(TABLE)
        await started.owner.post("/datasets", json={"path": "t.csv", "schema": SCHEMA})
        _problem(await started.owner.get("/datasets/ward/contents"), 404, "dataset-not-found")
        _problem(await started.owner.post("/datasets/ward/check", json={"schema": SCHEMA}), 404, "dataset-not-found")
        away = {"schema": SCHEMA, "mapping": "../owner/identity.key"}
        assert "mapping" in json.dumps(
            _problem(await started.owner.post("/datasets/default/check", json=away), 422, "invalid-request")
        )
        stranger = {"Authorization": "Bearer none"}
        for answer in (
            await started.owner.get("/datasets/default/contents", headers=stranger),
            await started.owner.post("/datasets/default/check", json={"schema": SCHEMA}, headers=stranger),
        ):
            assert answer.status_code in (401, 403)
            assert "bins" not in answer.text

    play(tmp_path, scene)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../up", "..%2Fup", "a/b", ".hidden", "%2Fetc%2Fpasswd", "a%00b"])
def test_an_uploads_name_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    async def scene(started: Started) -> None:
        before = sorted(path for path in tmp_path.rglob("*") if "owner" not in path.parts)
        csv = {"Content-Type": "text/csv"}
        _problem(
            await started.owner.post(f"/datasets?name={name}", content=TABLE.encode(), headers=csv),
            422,
            "invalid-request",
        )
        assert sorted(path for path in tmp_path.rglob("*") if "owner" not in path.parts) == before
        assert (await started.owner.get("/datasets")).json() == []

    play(tmp_path, scene)


class CutOffError(Exception):
    """The connection is gone."""


def test_a_connection_that_is_cut_leaves_nothing(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield TABLE.encode()
        raise CutOffError

    with pytest.raises(CutOffError):
        asyncio.run(save_stream(tmp_path / "uploads", ".csv", chunks()))
    assert list((tmp_path / "uploads").iterdir()) == []
