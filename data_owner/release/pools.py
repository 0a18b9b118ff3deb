"""Nonces made ahead of need, a pool a modulus."""

from __future__ import annotations

from fedtrain.crypto import FactorPool, FreshNoncePool, PoolFiller, RerandomiserPool
from fedtrain.crypto.paillier.encryption import TABLE_PAYS_FROM
from fedtrain.methods.plan import Plan

ROUNDS_AHEAD = 2
LARGEST_POOL = 512
#: For an owner's own plaintexts a fixed-base table makes factors some twenty times faster; 12 MB at 3,072 bits.
LARGEST_FRESH_POOL = 1 << 14


class Pools(PoolFiller[int]):
    """The pools of the jobs in progress, by modulus."""

    def of(self, modulus: int, ciphertexts: int) -> FactorPool:
        """Return the pool of that modulus, large enough for answers of so many ciphertexts."""
        target = min(LARGEST_POOL, ROUNDS_AHEAD * ciphertexts)
        return self.raised(modulus, lambda: RerandomiserPool(modulus, self.engine, target), target)

    def of_plan(self, modulus: int, plan: Plan) -> FactorPool:
        """Return the pool of that modulus, large enough for the answers of a job by this plan.

        Where they are plain ones of many ciphertexts it holds fresh nonces, and not re-randomisers.
        """
        answers = [plan.round(kind).answer for kind in plan.kinds]
        most = max(answer.layout.ciphertexts for answer in answers)
        if most < TABLE_PAYS_FROM or any(answer.applied is not None for answer in answers):
            return self.of(modulus, most)
        target = min(LARGEST_FRESH_POOL, most)
        return self.raised(modulus, lambda: FreshNoncePool(modulus, self.engine, target), target)
