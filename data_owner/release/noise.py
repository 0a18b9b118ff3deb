"""The noise stage: this owner's share of discrete Gaussian noise, on the integers, before they are packed and masked.

So nobody, not even who decrypts, ever sees a sum without it. Each number's share is drawn from a seed of its own, which
follows from the release's secret seed and the number's name: the same number of one release carries the same noise
after a restart, and in every job that tells it; no two numbers share any. Source: docs/privacy.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import repeat
from typing import Final

import numpy as np

from fedtrain.crypto.context import encode_context
from fedtrain.data_owner.data.moments import Integers
from fedtrain.methods.plan import Answer
from fedtrain.privacy.discrete_gaussian import discrete_gaussian
from fedtrain.privacy.random_stream import SEED_BYTES, RandomStream
from fedtrain.spec.problems import Code, Problem

NOISE_TAG: Final = "noise"
#: Of the way in which noise follows from a seed; another way has another number, and so other noise.
NOISE_VERSION: Final = 2


def with_noise(integers: Integers, planned: Answer, names: Sequence[bytes], seed: bytes | None) -> Integers:
    """Return integers (any shape) plus this owner's shares as the plan has them; themselves where it has none.

    A number ends at the plan's bound before its noise is added: two tables that differ by a row are no further apart
    for that, and the noise stays whole. Raises Problem(INTERNAL) where the plan has noise and there is no seed to draw
    it from, or not a name of its own for each number.
    """
    if planned.noise is None:
        return integers
    count = integers.size
    named = 0 if planned.noise.per_answer else count
    if seed is None or len(planned.noise.variances) != count or not len(set(names)) == len(names) == named:
        raise Problem(
            Code.INTERNAL, f"Noise for {count} numbers cannot be drawn by {len(names)} names: nothing of them leaves."
        )
    tail = planned.noise.tail
    bound = planned.owner_bound - tail
    streams = (RandomStream(_seed_of(seed, name)) for name in names) if names else repeat(RandomStream(seed), count)
    noised = [
        _ended(int(value), bound) + _ended(discrete_gaussian(variance, stream), tail)
        for value, variance, stream in zip(integers.ravel(), planned.noise.variances, streams, strict=True)
    ]
    result: Integers = np.array(noised, dtype=object).reshape(integers.shape)
    return result


def _ended(value: int, bound: int) -> int:
    return max(-bound, min(bound, value))


def _seed_of(seed: bytes, name: bytes) -> bytes:
    return hashlib.shake_256(encode_context(NOISE_TAG, NOISE_VERSION, seed, name)).digest(SEED_BYTES)
