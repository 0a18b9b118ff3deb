"""The distribution of noise at a million draws: of one share, and of three owners' shares together.

python -m benchmarks.noise [--draws 1000000] [--json]

Each line is a test of what is drawn from a fixed seed against the exact distribution: its p-value is uniform between 0
and 1 where the sampler is right. The tests are those of tests/privacy with more draws. Some forty seconds a million.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
from scipy import stats

from fedtrain.privacy.discrete_gaussian import discrete_gaussian
from fedtrain.privacy.random_stream import RandomStream

SMALL, LARGE, OWNERS = 9, 5 << 98, 3
#: Standard deviations at which tails are counted.
TAILS = (2.0, 3.0, 4.0)


def measured(draws: int) -> Iterator[dict[str, object]]:
    """A line for each test."""
    began = time.perf_counter()
    small = _draws(SMALL, draws, "small")
    seconds = time.perf_counter() - began
    masses = {x: math.exp(-x * x / (2 * SMALL)) for x in range(-40, 41)}
    total = math.fsum(masses.values())
    expected = {x: mass / total * draws for x, mass in masses.items()}
    inside = [x for x, count in expected.items() if count >= 10]
    counts = Counter(max(inside[0], min(inside[-1], value)) for value in small)
    shares = np.array([expected[x] for x in inside])
    found = stats.chisquare([counts[x] for x in inside], shares / shares.sum() * draws)
    yield {"test": f"chi-square, variance {SMALL}", "draws": draws, "p": float(found.pvalue), "seconds": seconds}

    large = np.array(_draws(LARGE, draws, "large"), dtype=float) / math.sqrt(LARGE)
    yield {
        "test": "Kolmogorov-Smirnov, variance of 101 bits",
        "draws": draws,
        "p": float(stats.kstest(large, "norm").pvalue),
    }
    for multiple in TAILS:
        beyond = int((abs(large) > multiple).sum())
        p = stats.binomtest(beyond, draws, 2 * stats.norm.sf(multiple)).pvalue
        yield {"test": f"beyond {multiple:g} standard deviations: {beyond}", "draws": draws, "p": float(p)}

    each = draws // OWNERS
    sums = sum(np.array(_draws(LARGE, each, f"owner {owner}"), dtype=float) for owner in range(OWNERS))
    ratio = float(np.var(sums) / (OWNERS * LARGE))
    p = 2 * stats.norm.sf(abs(ratio - 1) / math.sqrt(2 / each))
    yield {"test": f"variance of {OWNERS} shares over the planned one: {ratio:.5f}", "draws": each, "p": float(p)}


def _draws(variance: int, count: int, name: str) -> list[int]:
    stream = _stream(name)
    return [discrete_gaussian(variance, stream) for _ in range(count)]


def _stream(name: str) -> RandomStream:
    return RandomStream(hashlib.sha256(f"benchmarks.noise {name}".encode()).digest())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lines = list(measured(options.draws))
    if options.json:
        print(json.dumps(lines))
        return
    for line in lines:
        print(f"{line['test']:<60} {line['draws']:>9,} draws   p = {line['p']:.3f}")


if __name__ == "__main__":
    main()
