"""Re-randomisers ahead of need: as many at a time as the engine computes at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

import pytest
from gmpy2 import mpz

from fedtrain.crypto import EncryptedVector, FreshNoncePool, LocalEngine, SlotLayout
from fedtrain.crypto.engine.native.engine import NativeEngine, why_not
from fedtrain.data_owner.release.pools import Pools
from fedtrain.data_owner.release.under_encryption import rerandomised
from fedtrain.methods.plan import AffineMap, Answer, Plan, Round

MODULUS = (1 << 511) + 111


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (LocalEngine, [1] * 16),
        pytest.param(
            NativeEngine,
            [8, 8],
            marks=pytest.mark.skipif(why_not() is not None, reason=f"the kernel can't be used here: {why_not()}"),
        ),
    ],
)
def test_the_kernel_makes_eight_at_a_time_and_gmpy2_one(
    kind: type[LocalEngine] | type[NativeEngine], expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_time: list[int] = []
    powers = kind.powers

    def counted(self, bases: Sequence[mpz], exponent: int, modulus: mpz) -> list[mpz]:
        at_a_time.append(len(bases))
        return powers(self, bases, exponent, modulus)

    monkeypatch.setattr(kind, "powers", counted)
    pools = Pools(kind())
    pool = pools.of(MODULUS, 8)
    pools.start()
    try:
        while pools.level < pools.target:
            time.sleep(0.01)
    finally:
        pools.stop()
    assert at_a_time == expected
    assert len(set(pool.take(16))) == 16 and pool.level == 0
    assert at_a_time == expected, "what was ready is taken, and nothing computed"


def test_a_pool_that_cannot_be_filled_is_logged_and_tried_again_once_something_has_changed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Breaking(LocalEngine):
        broken = True

        def powers(self, bases: Sequence[mpz], exponent: int, modulus: mpz, *, secret: bool = False) -> list[mpz]:
            if self.broken and modulus == MODULUS**2:
                raise RuntimeError("no worker is left")
            return super().powers(bases, exponent, modulus, secret=secret)

    engine = Breaking()
    pools = Pools(engine)
    broken = pools.of(MODULUS, 1)
    other = pools.of(MODULUS + 2, 1)
    pools.start()
    try:
        while other.level < other.target:
            time.sleep(0.01)
        assert broken.level == 0
        assert [record.message for record in caplog.records] == ["filling a pool failed"], "the others are filled"
        engine.broken = False
        with pools.resting():
            pass
        while broken.level < broken.target:
            time.sleep(0.01)
    finally:
        pools.stop()


def test_plain_answers_of_many_ciphertexts_get_nonces_from_a_table() -> None:
    class Engine(LocalEngine):
        def powers(self, *_: object, **__: object) -> list[mpz]:
            raise AssertionError("a full power for each of many plaintexts of one's own")

    pools = Pools(Engine())
    pool = pools.of_plan(MODULUS, plan_of_ciphertexts(300))
    assert isinstance(pool, FreshNoncePool)
    assert pool.target == 300, "one round's: the table makes them while the owner trains"
    pool.fill(3)
    assert len(set(pool.take(5))) == 5
    assert pools.of_plan(MODULUS, plan_of_ciphertexts(300)) is pool


def test_answers_from_others_ciphertexts_never_get_them() -> None:
    pools = Pools(LocalEngine())
    affine = AffineMap(1, 1, 0, 1, (1,), 0, 1)
    assert not isinstance(pools.of_plan(MODULUS, plan_of_ciphertexts(300, affine)), FreshNoncePool)
    vector = EncryptedVector("k", 0, 1, SlotLayout(1, 1, 2, 1, 1), (mpz(2),))
    with pytest.raises(TypeError, match="full powers alone"):
        rerandomised(vector, MODULUS, FreshNoncePool(MODULUS, LocalEngine(), 1))


def plan_of_ciphertexts(count: int, applied: AffineMap | None = None) -> Plan:
    answer = Answer({"numbers": (count,)}, SlotLayout(count, 1, 2, 1, 1), 0, 1, 1, applied)

    class Planned:
        kinds = ("update",)

        def round(self, kind: str) -> Round:
            return Round(kind, answer)

    return cast(Plan, Planned())
