"""The engine over a cluster's workers: products over an encrypted vector there, everything else near.

What goes out are ciphertexts and the integers that they are raised to. Private keys do not, and neither do nonces,
which open a ciphertext as well as the key does: `powers`, `fixed_base_powers` and `crt_decrypt` stay in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, Protocol

from gmpy2 import mpz
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto.engine import Engine, T
from fedtrain.crypto.engine.local import LocalEngine
from fedtrain.crypto.engine.native.engine import NativeEngine, why_not
from fedtrain.crypto.engine.sized import SizedEngine
from fedtrain.crypto.powers.fixed_base import FixedBaseTable

LEAST_MULTIPLICATIONS: Final = 100_000


class Cluster(Protocol):
    """Workers that compute a function of this package."""

    def slots(self) -> int:
        """Return how many calls they compute at once; 0 where there are none now."""
        ...

    def ordered(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield function(*call) for each call, in their order."""
        ...


class DaskEngine:
    """Implements `fedtrain.crypto.engine.Engine`. Any thread may share it.

    `near`: computes what stays, and all of it while the cluster has no workers.
    """

    def __init__(self, near: Engine, cluster: Cluster) -> None:
        self._near = near
        self._cluster = cluster

    def multi_exponentiate(
        self, bases: Sequence[mpz], rows: Sequence[Sequence[int]], exponent_bits: int, modulus: mpz
    ) -> list[mpz]:
        slots = self._cluster.slots()
        if slots == 0:
            return self._near.multi_exponentiate(bases, rows, exponent_bits, modulus)
        parts = _parts(rows, 1, slots)
        return self._joined("multi_exponentiate", ((list(bases), part, exponent_bits, modulus) for part in parts))

    def multi_exponentiate_packed(
        self,
        bases: Sequence[mpz],
        rows: Sequence[Sequence[int]],
        exponent_bits: int,
        modulus: mpz,
        rows_per_group: int,
        shift_bits: int,
    ) -> list[mpz]:
        slots = self._cluster.slots()
        packing = (rows_per_group, shift_bits)
        if slots == 0:
            return self._near.multi_exponentiate_packed(bases, rows, exponent_bits, modulus, *packing)
        calls = ((list(bases), part, exponent_bits, modulus, *packing) for part in _parts(rows, rows_per_group, slots))
        return self._joined("multi_exponentiate_packed", calls)

    def horner(self, groups: Sequence[Sequence[mpz]], shift_bits: int, modulus: mpz) -> list[mpz]:
        slots = self._cluster.slots()
        if slots == 0:
            return self._near.horner(groups, shift_bits, modulus)
        return self._joined("horner", ((part, shift_bits, modulus) for part in _parts(groups, 1, slots)))

    def product(self, columns: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        # A ciphertext takes longer to send than to multiply.
        return self._near.product(columns, modulus)

    def powers(self, bases: Sequence[mpz], exponent: int, modulus: mpz, *, secret: bool = False) -> list[mpz]:
        return self._near.powers(bases, exponent, modulus, secret=secret)

    def fixed_base_powers(self, table: FixedBaseTable, exponents: Sequence[int]) -> list[mpz]:
        return self._near.fixed_base_powers(table, exponents)

    def crt_decrypt(self, ciphertexts: Sequence[mpz], private_key: PaillierPrivateKey) -> list[mpz]:
        return self._near.crt_decrypt(ciphertexts, private_key)

    def in_parts(self, count: int, part: Callable[[int, int], list[T]]) -> list[T]:
        return self._near.in_parts(count, part)

    def _joined(self, operation: str, calls: Iterable[tuple[Any, ...]]) -> list[mpz]:
        results = self._cluster.ordered(compute, ((operation, *call) for call in calls))
        return [residue for part in results for residue in part]


def over_cluster(near: Engine, cluster: Cluster) -> Engine:
    """The engine that sends to the cluster what is large enough to be worth a journey, and computes the rest `near`."""
    return SizedEngine(near, DaskEngine(near, cluster), LEAST_MULTIPLICATIONS)


def compute(operation: str, *arguments: Any) -> list[mpz]:
    """One operation of the engine that this process has, the kernel where it can be used. Runs on a worker."""
    residues: list[mpz] = getattr(_own_engine(), operation)(*arguments)
    return residues


@lru_cache(maxsize=1)
def _own_engine() -> Engine:
    return NativeEngine() if why_not() is None else LocalEngine()


def _parts(items: Sequence[Any], multiple: int, count: int) -> list[list[Any]]:
    """At most `count` parts of consecutive items, each but the last of whole `multiple`s: every one builds its own
    tables of the bases."""
    groups = -(-len(items) // multiple)
    each = max(1, -(-groups // count)) * multiple
    return [list(items[start : start + each]) for start in range(0, len(items), each)]
