"""Re-randomisers ahead of need: as many at a time as the engine computes at once."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from gmpy2 import mpz

from fedtrain.crypto import LocalEngine
from fedtrain.crypto.engine.native.engine import NativeEngine, why_not
from fedtrain.data_owner.release.pools import Pools

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
