"""The kernel against gmpy2 on random inputs, of every operation and width: the same bits, or it stops.

python -m benchmarks.same_bits [--inputs 100000] [--seed 1]

An input is one result that was compared. Lists have 1 to 24 entries, so that lanes are full and not; a number in four
is of the digits' edges (0, 1, −1, all ones), an exponent in eight is 0, 1 or all ones.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Iterator

from gmpy2 import gcd, mpz
from phe.paillier import PaillierPrivateKey

from benchmarks.fixtures.jobs import key_pair
from fedtrain.crypto import Engine, FixedBaseTable, LocalEngine
from fedtrain.crypto.engine.native.engine import NativeEngine

# Of n; the numbers that are computed with have twice as many.
WIDTHS = (512, 768, 1024, 1536, 2048, 2560, 3072, 4096)
# Keys whose making does not take longer than everything else.
KEY_BITS = (512, 1024, 1536, 2048)
LONGEST_LIST = 24
EXPONENT_BITS = 70

Call = Callable[[Engine], list[mpz]]


def compare(inputs: int, seed: int, widths: tuple[int, ...] = WIDTHS, kernel: Engine | None = None) -> Counter[str]:
    """Return how many inputs of each operation agreed, `inputs` in all at least. Raises AssertionError at the first
    that does not, and names operation and width."""
    source, kernel, gmpy2 = random.Random(seed), kernel or NativeEngine(), LocalEngine()  # noqa: S311
    keys = [key_pair(bits) for bits in KEY_BITS if bits <= 2 * max(widths)]
    agreed: Counter[str] = Counter()
    while agreed.total() < inputs:
        width = widths[source.randrange(len(widths))]
        for name, call in operations(source, width, keys[source.randrange(len(keys))]):
            results = call(kernel)
            if results != call(gmpy2):
                raise AssertionError(f"{name} differs at {2 * width} bits, seed {seed}")
            agreed[name] += len(results)
    return agreed


def operations(source: random.Random, width: int, key: PaillierPrivateKey) -> Iterator[tuple[str, Call]]:
    """Each operation once, on inputs drawn now."""
    root = mpz(source.getrandbits(width) | 1 | 1 << (width - 1))
    square = root * root

    def number() -> mpz:
        if source.random() < 0.75:
            return mpz(source.randrange(int(square)))
        digits = source.randrange(1, 2 * width // 52 + 1)
        return source.choice([mpz(0), mpz(1), square - 1, root, (mpz(1) << (52 * digits)) - 1]) % square

    def numbers(count: int = 0) -> list[mpz]:
        return [number() for _ in range(count or source.randint(1, LONGEST_LIST))]

    def unit() -> mpz:
        while gcd(drawn := number(), root) != 1:
            pass
        return drawn

    def exponent(least: int = 0) -> int:
        most = (1 << EXPONENT_BITS) - 1
        return source.choice([least, 1, most]) if source.random() < 0.125 else source.randint(least, most)

    bases, power = numbers(), exponent(1)
    yield "powers", lambda engine: engine.powers(bases, power, square)
    yield "secret powers", lambda engine: engine.powers(bases, power, square, secret=True)
    for secret in (False, True):
        table = FixedBaseTable(unit(), square, EXPONENT_BITS, source.randint(1, 6), secret=secret)
        exponents = [exponent() for _ in range(source.randint(1, LONGEST_LIST))]
        yield "fixed-base powers", lambda engine, t=table, e=exponents: engine.fixed_base_powers(t, e)
    columns = [numbers(rows) for rows in [source.randint(2, 12)] for _ in range(source.randint(1, LONGEST_LIST))]
    yield "product", lambda engine: engine.product(columns, square)
    groups = [numbers(source.randint(1, 4)) for _ in range(source.randint(1, LONGEST_LIST))]
    yield "horner", lambda engine: engine.horner(groups, 30, square)
    vector = [unit() for _ in range(source.randint(1, 12))]
    matrix = [[source.choice([1, -1]) * exponent() for _ in vector] for _ in range(source.randint(1, LONGEST_LIST))]
    per_group = source.randint(1, 3)
    yield (
        "matrix",
        lambda engine: engine.multi_exponentiate_packed(
            vector, matrix, EXPONENT_BITS, square, per_group, EXPONENT_BITS + 2
        ),
    )
    n = int(key.public_key.n)
    ciphertexts = [mpz(source.randrange(1, n * n)) for _ in range(source.randint(1, LONGEST_LIST // 4))]
    yield "decryption", lambda engine: engine.crt_decrypt(ciphertexts, key)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    agreed = compare(options.inputs, options.seed)
    for name, count in agreed.items():
        print(f"{name}: {count:,} the same")
    print(f"{agreed.total():,} in all, {2 * min(WIDTHS):,} to {2 * max(WIDTHS):,} bits, seed {options.seed}")


if __name__ == "__main__":
    main()
