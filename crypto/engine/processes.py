"""The engine over a `concurrent.futures.Executor` that is handed in: worker processes, or a cluster's.

gmpy2 holds the GIL in multiply loops, so that only processes use more than one core. Chunks travel
pickled; `crt_decrypt` and secret powers send the secret to the workers, which must be trusted with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any

from gmpy2 import mpz
from phe.paillier import PaillierPrivateKey

from fedtrain.crypto.engine import T
from fedtrain.crypto.engine.local import LocalEngine
from fedtrain.crypto.powers.fixed_base import FixedBaseTable

_LOCAL = LocalEngine()
_CHUNKS_A_WORKER = 4
# Of what stands alone, a millisecond or more each: smaller chunks than this are not worth a round trip.
_LEAST_CHUNK = 8


class ProcessEngine:
    """Implements `crypto.engine.Engine`; splits every call into chunks, so that all workers are busy to the end.

    `workers`: the executor's own size. Rows over one table go as one chunk to each worker, which builds the table for
    itself; what stands alone as several, so that a worker whose core is busy otherwise is not waited for. Starting and
    stopping the executor is the caller's.
    """

    def __init__(self, executor: Executor, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, received {workers}")
        self._executor = executor
        self._workers = workers

    def multi_exponentiate(
        self, bases: Sequence[mpz], rows: Sequence[Sequence[int]], exponent_bits: int, modulus: mpz
    ) -> list[mpz]:
        bases = list(bases)
        return self._over_chunks(
            rows, 1, lambda chunk: (_LOCAL.multi_exponentiate, bases, chunk, exponent_bits, modulus)
        )

    def multi_exponentiate_packed(
        self,
        bases: Sequence[mpz],
        rows: Sequence[Sequence[int]],
        exponent_bits: int,
        modulus: mpz,
        rows_per_group: int,
        shift_bits: int,
    ) -> list[mpz]:
        bases = list(bases)
        call = _LOCAL.multi_exponentiate_packed
        return self._over_chunks(
            rows,
            rows_per_group,
            lambda chunk: (call, bases, chunk, exponent_bits, modulus, rows_per_group, shift_bits),
        )

    def horner(self, groups: Sequence[Sequence[mpz]], shift_bits: int, modulus: mpz) -> list[mpz]:
        return self._over_chunks(groups, 1, lambda chunk: (_LOCAL.horner, chunk, shift_bits, modulus))

    def product(self, columns: Sequence[Sequence[mpz]], modulus: mpz) -> list[mpz]:
        return self._over_chunks(columns, 1, lambda chunk: (_LOCAL.product, chunk, modulus))

    def powers(self, bases: Sequence[mpz], exponent: int, modulus: mpz, *, secret: bool = False) -> list[mpz]:
        call = _LOCAL.powers if not secret else _secret_powers
        return self._over_chunks(bases, 1, lambda chunk: (call, chunk, exponent, modulus), _CHUNKS_A_WORKER)

    def fixed_base_powers(self, table: FixedBaseTable, exponents: Sequence[int]) -> list[mpz]:
        # The table travels as its parameters; each worker builds and keeps its own entries.
        return self._over_chunks(exponents, 1, lambda chunk: (_LOCAL.fixed_base_powers, table, chunk), _CHUNKS_A_WORKER)

    def crt_decrypt(self, ciphertexts: Sequence[mpz], private_key: PaillierPrivateKey) -> list[mpz]:
        return self._over_chunks(
            ciphertexts, 1, lambda chunk: (_LOCAL.crt_decrypt, chunk, private_key), _CHUNKS_A_WORKER
        )

    def in_parts(self, count: int, part: Callable[[int, int], list[T]]) -> list[T]:
        return part(0, count)

    def _over_chunks(
        self,
        items: Sequence[T],
        multiple: int,
        call: Callable[[Sequence[T]], tuple[Any, ...]],
        chunks_a_worker: int = 1,
    ) -> list[mpz]:
        """The results of every chunk in order; chunks start at multiples of `multiple`."""
        groups = -(-len(items) // multiple)
        evenly = -(-groups // self._workers)
        per_chunk = max(1, -(-groups // (self._workers * chunks_a_worker)), min(evenly, _LEAST_CHUNK)) * multiple
        chunks = [list(items[start : start + per_chunk]) for start in range(0, len(items), per_chunk)]
        futures = [self._executor.submit(*call(chunk)) for chunk in chunks]
        return [result for future in futures for result in future.result()]


def _secret_powers(bases: Sequence[mpz], exponent: int, modulus: mpz) -> list[mpz]:
    return _LOCAL.powers(bases, exponent, modulus, secret=True)
