"""The quota of private scoring when the Model Owner's state is set back to an older copy."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from itertools import count as count_up
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fedtrain.cli.main import app
from fedtrain.model_owner.scoring.told import BitsTold
from fedtrain.protocol.messages.scoring import SCORE_BITS
from fedtrain.service.vault.backup import RESTORED, BackupError, back_up, restore, restored_at
from fedtrain.service.vault.identity_file import load_or_create_identity
from fedtrain.service.vault.secret_files import SecretFileError
from fedtrain.simulation.federation import Federation
from fedtrain.spec.problems import Code, Problem
from tests.harness.model_owner.scoring_scenes import FEATURES, make_table, run, started, trained

MOST = FEATURES  # rows: one fewer than the model has weights
STORE = "state.sqlite3"


_seeds = count_up(11)


def rows(count: int) -> list[list[float]]:
    """Rows that were never scored before: the same again would be free."""
    return make_table(count, next(_seeds))[:, :FEATURES].tolist()


async def scored(parties: Federation, model_id: str, count: int) -> int:
    """Rows that can still be scored."""
    answer = await parties.data_owners[0].post("/score", {"model_id": model_id, "rows": rows(count)})
    return int(answer["scores_left"])


async def allow(parties: Federation, model_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = await parties.model_owner.post(f"/models/{model_id}/scoring", {})
    return answer


async def used_up(parties: Federation, model_id: str, count: int = 1) -> str:
    with pytest.raises(Problem) as refused:
        await scored(parties, model_id, count)
    assert refused.value.code is Code.SCORES_USED_UP
    return str(refused.value.detail)


class Clock:
    """A clock that is told the time."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return 0.0


def fedtrain(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("allowed_before_the_copy", [True, False])
def test_a_store_that_is_set_back_gives_no_score_twice(tmp_path: Path, allowed_before_the_copy: bool) -> None:
    store, copy = tmp_path / "model-owner" / STORE, tmp_path / "copy.sqlite3"

    async def before() -> str:
        async with trained(tmp_path) as (_, model_id):
            pass
        async with started(tmp_path) as parties:
            if allowed_before_the_copy:
                await allow(parties, model_id)
                await scored(parties, model_id, 1)
        shutil.copy(store, copy)
        async with started(tmp_path) as parties:
            await allow(parties, model_id)
            done = 1 if allowed_before_the_copy else 0
            assert await scored(parties, model_id, MOST - 1 - done) == 1
        return model_id

    async def after(model_id: str) -> None:
        async with started(tmp_path) as parties:
            opened = await allow(parties, model_id)
            assert (opened["spent_bits"], opened["scores_left"]) == ((MOST - 1) * SCORE_BITS, 1)
            await used_up(parties, model_id, 2)
            assert await scored(parties, model_id, 1) == 0
            await used_up(parties, model_id)

    model_id = asyncio.run(before())
    shutil.copy(copy, store)
    asyncio.run(after(model_id))


@pytest.mark.slow
@pytest.mark.parametrize("allowed_before_the_backup", [True, False])
def test_scoring_ends_with_a_restore_and_cannot_be_allowed_again(
    tmp_path: Path, allowed_before_the_backup: bool
) -> None:
    folder, archive = tmp_path / "model-owner", tmp_path / "model-owner.bak"

    async def before() -> str:
        async with trained(tmp_path) as (parties, model_id):
            if allowed_before_the_backup:
                await allow(parties, model_id)
                await scored(parties, model_id, 1)
            await asyncio.to_thread(fedtrain, "backup", archive, "--state-dir", folder)
            await allow(parties, model_id)
            await scored(parties, model_id, 2)
        return model_id

    async def after(model_id: str) -> None:
        async with started(tmp_path) as parties:
            with pytest.raises(Problem) as refused:
                await scored(parties, model_id, 1)
            if allowed_before_the_backup:
                assert refused.value.code is Code.SCORES_USED_UP
                assert "restored from a backup" in str(refused.value.detail)
                stands = await parties.model_owner.get(f"/models/{model_id}/scoring")
                assert stands["scores_left"] == 0 and stands["spent_bits"] == stands["entropy_bits"]
            else:
                assert refused.value.code is Code.SCORING_REFUSED
            with pytest.raises(Problem) as refused:
                await allow(parties, model_id)
            assert refused.value.code is Code.SCORES_USED_UP
            assert "restored from a backup" in str(refused.value.detail)

    model_id = asyncio.run(before())
    shutil.rmtree(folder)
    said = fedtrain("restore", archive, "--state-dir", folder)
    assert ("scoring of the models in it has ended" in said.replace("\n", " ")) is allowed_before_the_backup
    assert not (folder / "scoring-told").exists()
    asyncio.run(after(model_id))


@pytest.mark.slow
def test_a_model_that_is_deployed_after_a_restore_can_be_scored(tmp_path: Path) -> None:
    folder = tmp_path / "model-owner"
    load_or_create_identity(folder)
    (folder / RESTORED).write_text("2026-01-12T09:28:00.000Z")
    (folder / RESTORED).chmod(0o600)

    async def scene(parties: Federation, model_id: str) -> None:
        await allow(parties, model_id)
        assert await scored(parties, model_id, 1) == MOST - 1

    run(tmp_path, scene)


def test_the_time_of_a_restore_is_kept_and_never_before_the_archives_own(tmp_path: Path) -> None:
    folder, made = tmp_path / "party", datetime(2026, 1, 12, 9, 28, tzinfo=UTC)
    load_or_create_identity(folder)
    assert restored_at(folder) is None
    back_up(folder, tmp_path / "a.bak", Clock(made), None)
    restore(tmp_path / "a.bak", tmp_path / "late", Clock(made + timedelta(days=1)))
    restore(tmp_path / "a.bak", tmp_path / "behind", Clock(made - timedelta(days=1)))
    assert restored_at(tmp_path / "late") == made + timedelta(days=1)
    assert restored_at(tmp_path / "behind") == made
    back_up(tmp_path / "late", tmp_path / "b.bak", Clock(made + timedelta(days=2)), None)
    restore(tmp_path / "b.bak", tmp_path / "again", Clock(made + timedelta(days=3)))
    assert restored_at(tmp_path / "again") == made + timedelta(days=3)
    (tmp_path / "again" / RESTORED).write_text("yesterday")
    with pytest.raises(BackupError, match="does not hold a time"):
        restored_at(tmp_path / "again")


def test_what_was_told_is_kept_outside_the_store_and_a_damaged_count_is_refused(tmp_path: Path) -> None:
    told = BitsTold(tmp_path)
    assert told.of("a" * 32) == 0
    told.set("a" * 32, 96)
    assert (BitsTold(tmp_path).of("a" * 32), told.of("b" * 32)) == (96, 0)
    for damaged in (b"", b"-1", b"9 6"):
        (tmp_path / "scoring-told" / ("a" * 32)).write_bytes(damaged)
        with pytest.raises(SecretFileError, match="does not hold a number of bits"):
            told.of("a" * 32)
