"""Work that only one process need do: claimed for a while, and free again when the claim has run out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fedtrain.facilitator.registry.claims import Claims
from fedtrain.facilitator.store import Store
from tests.harness.facilitator.fake_parties import FakeClock

LEASE_S = 3600.0  # whoever holds a claim renews it by the real clock, three times in this: never within a test


class SharedStore(Store):
    """A store that says of itself that other processes are at work on it."""

    @property
    def shared(self) -> bool:
        return True


def play(url: str, scene: Callable[[FakeClock, Claims, Claims], Any]) -> None:
    stores, clock = [SharedStore(url), SharedStore(url)], FakeClock()
    one, other = (Claims(store, clock, LEASE_S) for store in stores)
    asyncio.run(scene(clock, one, other))
    for store in stores:
        store.close()


async def is_free(claims: Claims, name: str = "sum/1") -> bool:
    async with claims.hold(name) as held:
        return held


def test_what_one_process_holds_no_other_does_until_it_is_released(store_url: str) -> None:
    async def scene(_clock: FakeClock, one: Claims, other: Claims) -> None:
        async with one.hold("sum/1") as held:
            assert held
            assert not await is_free(other)
            assert await is_free(other, "sum/2")
            assert await is_free(one)
        assert await is_free(other)

    play(store_url, scene)


def test_a_claim_that_is_not_renewed_runs_out_and_its_holder_does_not_release_the_next_ones(store_url: str) -> None:
    async def scene(clock: FakeClock, one: Claims, other: Claims) -> None:
        async with one.hold("sum/1"):
            clock.pass_time(LEASE_S - 0.001)
            assert not await is_free(other)
            clock.pass_time(0.001)
            async with other.hold("sum/1") as held:
                assert held
                await _leave(one)
                assert not await is_free(one)

    async def _leave(one: Claims) -> None:
        await asyncio.to_thread(one._release, "sum/1")

    play(store_url, scene)


def test_a_claim_from_under_a_clock_that_was_set_back_holds_nobody_up(store_url: str) -> None:
    async def scene(clock: FakeClock, one: Claims, other: Claims) -> None:
        async with one.hold("sum/1"):
            clock.pass_time(-2 * LEASE_S)
            assert await is_free(other)

    play(store_url, scene)


def test_a_claim_is_renewed_while_the_work_lasts(store_url: str) -> None:
    async def scene(clock: FakeClock, _one: Claims, other: Claims) -> None:
        quick = Claims(SharedStore(store_url), clock, 0.03)
        async with quick.hold("sum/1"):
            for _ in range(5):
                clock.pass_time(0.02)
                while await asyncio.to_thread(_left_s, quick, clock) < 0.03:
                    await asyncio.sleep(0.005)
                assert not await is_free(other)

    play(store_url, scene)


def _left_s(claims: Claims, clock: FakeClock) -> float:
    with claims._store.read() as tx:
        claim = tx.claim("sum/1")
    assert claim is not None
    return (claim.until - clock.now()).total_seconds()


def test_on_a_store_of_its_own_a_process_claims_nothing(store_url: str) -> None:
    async def scene() -> None:
        store = Store(store_url)
        async with Claims(store, FakeClock(), LEASE_S).hold("sum/1") as held:
            assert held
            with store.read() as tx:
                assert (tx.claim("sum/1") is not None) == store.shared
        store.close()

    asyncio.run(scene())
