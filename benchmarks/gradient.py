"""One owner's answer to one round, against the same gradient by other libraries.

python -m benchmarks.gradient [--json] [--quick] [--key-bits 2048]

Ours is the Data Owner's own code at the default plan: checking the weights that came, A·w − b, packing, masks,
full-width re-randomisers made on the spot, signing, serialising. A peer computes Xᵀ(X·Enc(w) − y) from the rows, and
re-randomises what leaves; its scalars are the same 40-bit fixed-point integers. CKKS cannot do that at two levels and
does A·Enc(w) − b, approximately. What an owner reduces once a job, its moments, has rows of its own. `floor`: the
multiplications of A·w and of the re-randomisers, at what one costs at that moment.

"gradient, factors ahead" is the same where an answer has few ciphertexts: the re-randomisers of several answers made
eight at a time, as a service's idle time makes them, and their work shared out among those answers.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from gmpy2 import mpz
from rich.console import Console

from benchmarks.fixtures.jobs import Bench, Rows, bench_of, integers_of, key_pair, moments_from, table_of
from benchmarks.fixtures.peers import CKKS_CHAINS, Ckks, Peer, installed, pailliers
from benchmarks.rows.counts import floor_seconds, matrix, powers
from benchmarks.rows.measure import LONGEST_S, Row, main, processor_seconds
from fedtrain.crypto.engine.native.ring import LANES
from fedtrain.data_owner.release.answer import compute_answer

SIZES = ((353, 11), (10_000, 30), (10_000, 100), (100_000, 100))
QUICK_SIZES = ((353, 11),)
KEY_BITS = (2048, 3072)
REPEATS = 3
LEAST_S = 1.0
# Scalar multiplications of a peer's slice: a second or so, for those that take a quarter of a millisecond each.
SLICE = 4000


def measure(
    quick: bool, notes: Console, sizes: Sequence[tuple[int, int]] | None = None, key_sizes: Sequence[int] | None = None
) -> Iterable[Row]:
    sizes = sizes or (QUICK_SIZES if quick else SIZES)
    tables = {size: table_of(*size) for size in sizes}
    moments = {}
    for size in sizes:
        seconds, moments[size] = processor_seconds(lambda size=size: moments_from(tables[size]))
        yield Row("moments, once a job", {"rows": size[0], "d": size[1]}, 0, seconds)
    for key_bits in key_sizes or (KEY_BITS[:1] if quick else KEY_BITS):
        private_key = key_pair(key_bits)
        notes.print(f"making {key_bits}-bit keys for the peers")
        peers = pailliers(key_bits)
        for size in sizes:
            bench = bench_of(moments[size], private_key)
            shape: dict[str, float | int | str] = {"rows": size[0], "d": size[1]}
            own = own_seconds(bench)
            yield Row("gradient", shape, key_bits, statistics.median(own), "floor", floor_of(bench))
            for peer in peers:
                before = own
                peer_seconds, extrapolated, between = gradient_seconds(
                    peer, tables[size], bench.weights[:, 0].tolist(), lambda bench=bench: own_seconds(bench)
                )
                own = own_seconds(bench)
                seconds = statistics.median([*before, *between, *own])
                yield Row("gradient", shape, key_bits, seconds, peer.name, peer_seconds, extrapolated)
                if bench.budget.answer_layout.ciphertexts < LANES and not extrapolated:
                    yield ahead_row(bench, peer, tables[size])
            if installed("tenseal"):
                ckks = Ckks(*CKKS_CHAINS[0])
                seconds = statistics.median(own)
                yield Row(
                    "gradient", shape, key_bits, seconds, f"{ckks.name}, A·w − b", ckks_seconds(ckks, tables[size])
                )


def own_seconds(bench: Bench) -> list[float]:
    """Processor seconds of each of several answers, a second of them at least: before, between and after a peer's, so
    that what else the machine does meets both."""
    spent: list[float] = []
    while len(spent) < REPEATS or sum(spent) < LEAST_S:
        spent.append(processor_seconds(lambda: compute_answer(bench.job, bench.request, bench.request_hash))[0])
    return spent


def ahead_row(bench: Bench, peer: Peer, table: Rows) -> Row:
    """The same with factors made ahead, in turns with the peer's."""
    ahead: list[float] = []

    def between() -> list[float]:
        ahead.extend(ahead_seconds(bench))
        return []

    ahead.extend(ahead_seconds(bench))
    peer_seconds, _, _ = gradient_seconds(peer, table, bench.weights[:, 0].tolist(), between)
    ahead.extend(ahead_seconds(bench))
    sizes: dict[str, float | int | str] = {"rows": len(table.X), "d": table.X.shape[1]}
    key_bits = mpz(bench.job.modulus).bit_length()
    return Row("gradient, factors ahead", sizes, key_bits, statistics.median(ahead), peer.name, peer_seconds)


def ahead_seconds(bench: Bench) -> list[float]:
    """Processor seconds of an answer whose factors eight lanes made, their work counted; a second of them at least."""
    pool, spent = bench.job.pool, list[float]()
    answers = max(1, LANES // bench.budget.answer_layout.ciphertexts)

    def turn() -> None:
        pool.fill(pool.target)
        for _ in range(answers):
            compute_answer(bench.job, bench.request, bench.request_hash)

    pool.target = answers * bench.budget.answer_layout.ciphertexts
    while len(spent) < REPEATS or sum(spent) * answers < LEAST_S:
        spent.append(processor_seconds(turn)[0] / answers)
    if pool.level:
        raise AssertionError("factors were left over")
    pool.target = 0
    return spent


def floor_of(bench: Bench) -> float:
    """Return what A·w and a full-width re-randomiser for each ciphertext of the answer take at the least."""
    budget, n = bench.budget, mpz(bench.job.modulus)
    bits = budget.moment_bound_for(bench.request.rows_total).bit_length()
    layout = budget.answer_layout
    return floor_seconds(
        [matrix(len(bench.weights), bits, layout, n * n), powers(layout.ciphertexts, n.bit_length(), n * n)]
    )


def gradient_seconds(
    peer: Peer, table: Rows, weights: Sequence[int], between: Callable[[], list[float]] = list
) -> tuple[float, bool, list[float]]:
    """Seconds for all rows, whether they were extrapolated from a slice of them, and what `between` gave.

    The slice's result is decrypted and compared: a peer that computed something else would not be one. What takes
    seconds as a whole is done several times, with `between` in between, and its median taken.
    """
    rows, dimensions = table.X.shape
    X, y = integers_of(table)
    encrypted = peer.encrypt(weights)
    part = max(2, min(rows, SLICE // (2 * dimensions)))
    seconds, result = processor_seconds(lambda: peer.gradient(X[:part], y[:part], encrypted))
    expected = X[:part].T.dot(X[:part].dot(np.array(weights, dtype=object)) - y[:part])
    if peer.decrypt(result) != expected.tolist():
        raise AssertionError(f"{peer.name} computed another gradient")
    if seconds * rows / part < LONGEST_S / 4:
        theirs, ours = [], []
        for turn in range(REPEATS):
            ours += between() if turn else []
            theirs.append(processor_seconds(lambda: peer.gradient(X, y, encrypted))[0])
        return statistics.median(theirs), False, ours
    # What does not grow with the rows, d re-randomisers, is measured by itself.
    fixed, _ = processor_seconds(lambda: peer.encrypt([0] * dimensions))
    return (seconds - fixed) * rows / part + fixed, True, []


def ckks_seconds(ckks: Ckks, table: Rows) -> float:
    A, b = table.X.T @ table.X / len(table.X), table.X.T @ table.Y[:, 0] / len(table.X)
    weights = np.linspace(-1, 1, len(b))
    encrypted = ckks.encrypt(weights.tolist())
    ckks.gradient(A, b, encrypted)  # makes its rotation keys
    seconds, result = processor_seconds(lambda: ckks.gradient(A, b, encrypted))
    if not np.allclose(ckks.decrypt(result), A @ weights - b, atol=1e-3):
        raise AssertionError(f"{ckks.name} computed another gradient")
    return seconds


if __name__ == "__main__":
    main(__doc__, measure, takes_key_sizes=True)
