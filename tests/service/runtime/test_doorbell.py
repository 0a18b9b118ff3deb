"""Bells: no ring is lost, none wakes the wrong one, and a stop ends the waiting."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fedtrain.service.runtime.doorbell import Doorbell

pytestmark = pytest.mark.anyio

LONG_S = 3600


async def test_a_ring_between_looking_and_waiting_is_not_lost() -> None:
    doorbell, stop = Doorbell(), asyncio.Event()
    with doorbell.listen("key") as bell:
        doorbell.ring("key")
        assert await bell.wait(LONG_S, stop)


async def test_a_ring_from_a_thread_wakes_all_who_listen() -> None:
    doorbell, stop = Doorbell(), asyncio.Event()
    with doorbell.listen("key") as one, doorbell.listen("key") as two:
        waits = [asyncio.create_task(bell.wait(LONG_S, stop)) for bell in (one, two)]
        await asyncio.sleep(0)
        thread = threading.Thread(target=doorbell.ring, args=("key",))
        thread.start()
        assert await asyncio.gather(*waits) == [True, True]
        thread.join()


async def test_a_ring_is_heard_once_and_only_at_its_key() -> None:
    doorbell, stop = Doorbell(), asyncio.Event()
    with doorbell.listen("key") as bell, doorbell.listen("other") as other:
        doorbell.ring("key")
        assert await bell.wait(LONG_S, stop)
        assert not await bell.wait(0.001, stop)
        assert not await other.wait(0.001, stop)


async def test_a_ring_before_listening_is_not_heard() -> None:
    doorbell = Doorbell()
    doorbell.ring("key")
    with doorbell.listen("key") as bell:
        assert not await bell.wait(0.001, asyncio.Event())


async def test_a_stop_ends_the_waiting_at_once() -> None:
    doorbell, stop = Doorbell(), asyncio.Event()
    with doorbell.listen("key") as bell:
        wait = asyncio.create_task(bell.wait(LONG_S, stop))
        await asyncio.sleep(0)
        stop.set()
        assert not await wait
        assert not await bell.wait(LONG_S, stop)


async def test_nothing_is_kept_of_who_has_left() -> None:
    doorbell = Doorbell()
    with doorbell.listen("key") as bell:
        wait = asyncio.create_task(bell.wait(LONG_S, asyncio.Event()))
        await asyncio.sleep(0)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
    doorbell.ring("key")
    assert not doorbell._bells
    await asyncio.sleep(0)
    assert len([task for task in asyncio.all_tasks() if "Event.wait" in repr(task)]) == 0


def test_a_ring_for_a_listener_whose_loop_has_closed_is_nobodys() -> None:
    doorbell = Doorbell()
    listening = doorbell.listen("key")

    async def listen_and_vanish() -> None:
        listening.__enter__()

    asyncio.run(listen_and_vanish())
    doorbell.ring("key")
    listening.__exit__(None, None, None)
    assert not doorbell._bells
