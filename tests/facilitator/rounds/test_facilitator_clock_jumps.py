"""A clock that is set while a job runs: forward or back, nobody is late for it, and who is late is still found out."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fedtrain.facilitator.job import ClockJumped
from fedtrain.facilitator.registry.clock_watch import LEAST_JUMP_S, ClockWatch
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.protocol.states import Phase
from tests.harness.facilitator.fake_parties import Facilitator, FakeClock
from tests.harness.facilitator.machine_bench import MachineBench
from tests.harness.facilitator.scenes import counting, with_facilitator

HOURS = 3600.0


class SettableClock(FakeClock):
    """A clock whose time of day somebody sets."""

    def set_by(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def asking(**training: object) -> MachineBench:
    bench = MachineBench(owners=2, on_dropout="end", round_timeout_s=60.0, join_timeout_s=60.0, **training)
    bench.join_all()
    bench.ask(0, RoundKind.COUNTS)
    return bench


def jump(bench: MachineBench, by_s: float) -> None:
    bench.now += timedelta(seconds=by_s)
    bench.happen(ClockJumped(by_s))


@pytest.mark.parametrize("by_s", [3 * HOURS, -3 * HOURS])
def test_an_owner_has_the_time_that_was_left_or_the_whole_of_it_and_no_more(by_s: float) -> None:
    bench = asking()
    bench.wait(40)
    jump(bench, by_s)
    bench.wait(19)
    assert bench.state.phase is Phase.WAITING_FOR_DATA_OWNERS
    bench.wait(1 if by_s > 0 else 41)
    assert bench.state.ending is not None and bench.state.ending.code == "owner-timed-out"


def test_a_jump_that_two_processes_tell_of_counts_at_most_a_whole_timeout() -> None:
    bench = asking()
    bench.wait(40)
    jump(bench, 3 * HOURS)
    bench.happen(ClockJumped(3 * HOURS))
    bench.wait(60)
    assert bench.state.phase is Phase.FAILED


def test_the_roster_stays_open_over_a_jump() -> None:
    bench = MachineBench(owners=2, join_timeout_s=60.0)
    bench.invite_all()
    jump(bench, 3 * HOURS)
    bench.wait(59)
    assert bench.state.phase is Phase.JOINING
    bench.wait(1)
    assert bench.state.phase is Phase.FAILED


def test_a_jump_changes_nothing_where_nothing_is_due() -> None:
    bench = asking()
    bench.answer_all()
    before = bench.state
    jump(bench, 3 * HOURS)
    assert bench.state == before and bench.state.deadline is None


def test_the_watch_tells_time_that_was_set_from_time_that_passed() -> None:
    clock = SettableClock()
    watch = ClockWatch(clock)
    clock.pass_time(HOURS)
    clock.set_by(LEAST_JUMP_S / 2)
    assert watch.jump_s() == 0
    watch.settle()
    clock.set_by(-HOURS)
    assert watch.jump_s() == -HOURS
    assert watch.jump_s() == -HOURS, "until it is settled"
    watch.settle()
    assert watch.jump_s() == 0
    clock.set_by(HOURS)
    watch.settle()
    assert watch.jump_s() == HOURS, "settled was what had been told"


@pytest.mark.parametrize("by_s", [5 * HOURS, -5 * HOURS])
def test_a_running_facilitator_waits_as_long_as_it_said_whatever_the_clock_does(tmp_path: Path, by_s: float) -> None:
    clock = SettableClock()

    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator, on_dropout="end", round_timeout_s=60.0)
        await facilitator.tick(30)
        clock.set_by(by_s)
        await facilitator.tick(29)
        job = await scene.owners[0].client.model(scene.job_id)
        assert job["status"] == "IN_PROGRESS"
        assert {owner["name"] for owner in job["waiting_for"]} == {owner.name for owner in scene.owners}  # type: ignore[attr-defined]
        await facilitator.tick(60)
        job = await scene.owners[0].client.model(scene.job_id)
        assert (job["status"], job["code"]) == ("FAILED", "owner-timed-out")

    with_facilitator(tmp_path, play, clock)


def test_a_clock_that_is_set_in_the_middle_of_a_tick_makes_nobody_late(tmp_path: Path) -> None:
    clock = SettableClock()

    async def play(facilitator: Facilitator) -> None:
        scene = await counting(facilitator, on_dropout="end", round_timeout_s=60.0)
        runner = facilitator.app.state.runner
        look, looked = runner._look, []

        def set_before_it_looks(*arguments: Any) -> Any:
            if not looked:
                clock.set_by(5 * HOURS)
            looked.append(True)
            return look(*arguments)

        runner._look = set_before_it_looks
        await facilitator.tick(30)
        assert (await scene.owners[0].client.model(scene.job_id))["status"] == "IN_PROGRESS"
        await facilitator.tick(29)
        assert (await scene.owners[0].client.model(scene.job_id))["status"] == "IN_PROGRESS"
        await facilitator.tick(60)
        job = await scene.owners[0].client.model(scene.job_id)
        assert looked and (job["status"], job["code"]) == ("FAILED", "owner-timed-out")

    with_facilitator(tmp_path, play, clock)
