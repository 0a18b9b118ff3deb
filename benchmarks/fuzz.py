"""Everything that reads bytes from another party, given bytes that no honest party sends.

python -m benchmarks.fuzz [--inputs 1000000] [--seed 1] [--json]

Valid messages are mutated: as bytes (flips, cuts, insertions, splices, lengths that lie), and as values (a field of
another type, left out, doubled, renamed), so that some pass the decoder and reach what is behind it. Whatever comes,
there must be a message that is encoded as exactly these bytes, or one of the problems that the reader documents. The
first input that leads to anything else is printed and ends the run.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import cbor2

from benchmarks.fixtures.fuzz_readers import Found, Reader, readers
from fedtrain.spec.problems import Problem


@dataclass
class Report:
    """Results. `slowest_s`: of one input, in processor seconds. `rss_growth_bytes`: of the peak, in the run."""

    inputs: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    rss_growth_bytes: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """JSON types only."""
        return {**vars(self), "outcomes": {name: dict(counts) for name, counts in self.outcomes.items()}}


# Heads of CBOR items with lengths that lie, tags, floats, simple values, depth; and what text parsers trip over.
_PIECES = (
    *(bytes([major << 5 | size]) + b"\xff" * (1 << (size - 24)) for major in range(8) for size in range(24, 28)),
    *(bytes([major << 5 | 31]) for major in range(2, 8)),
    b"\x81" * 40, b"\xa1\x60" * 40, b"\x9b" + b"\x7f" * 8, b"\xc2\x58\xff", b"\xf9\x7e\x00", b"\xf7",
    b"\xfb" + b"\0" * 8,
    b"\xed\xa0\x80", b"\0", b"\xff" * 64, b"1e999", b"NaN", b"-" * 9, b"[" * 3000, b'{"a":' * 300, b"9" * 5000,
    b"\\ud800",
)  # fmt: skip
_VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1 << 63, 1 << 64, -(1 << 70), 1.5, float("nan"), "", "x", "\x00", "9f" * 32, "2.0", "1.7", b"",
    b"\0" * 64,
    [], [[[[[[[[[[0]]]]]]]]]], {}, {"": {"": {}}}, {1: 2}, cbor2.CBORSimpleValue(99), cbor2.undefined,
)  # fmt: skip


def mutated(seed: bytes, other: bytes, dice: random.Random) -> bytes:
    """Return `seed` changed once to four times; `other` is what it may be spliced with."""
    data = _changed_value(seed, dice) if dice.random() < 0.5 else seed
    for _ in range(dice.choice((0, 0, 0, 1, 2)) if data is not seed else dice.randint(1, 4)):
        data = _changed_bytes(data, other, dice)
    return data


def _changed_bytes(data: bytes, other: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    to = min(len(data), at + dice.choice((1, 1, 2, 4, 16, 64, 256)))
    match dice.randrange(8):
        case 0:
            return data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
        case 1:
            flipped = bytes(byte ^ 1 << dice.randrange(8) for byte in data[at : at + 1])
            return data[:at] + flipped + data[at + 1 :]
        case 2:
            return data[:at]
        case 3:
            return data[:at] + data[to:]
        case 4:
            return data[:at] + data[at:to] * dice.choice((2, 3, 8)) + data[to:]
        case 5:
            return data[:at] + dice.randbytes(dice.choice((1, 2, 8, 32))) + data[at:]
        case 6:
            return data[:at] + dice.choice(_PIECES) + data[dice.choice((at, to)) :]
        case _:
            return data[:at] + other[dice.randrange(len(other) + 1) :]


def _changed_value(data: bytes, dice: random.Random) -> bytes:
    """The CBOR (or JSON) value with one of its parts changed, encoded again; `data` where it is neither."""
    is_json = data[:1] == b"{"  # in CBOR a text of 27 bytes, which no message is
    try:
        value = json.loads(data) if is_json else cbor2.loads(data)
    except (cbor2.CBORError, ValueError):
        return data
    places = list(_places(value))
    if not places:
        return data
    box, key = dice.choice(places)
    match dice.randrange(4):
        case 0:
            del box[key]
        case 1 if isinstance(box, dict):
            box[dice.choice(("", "x", "protocol", "signature"))] = box.pop(key)
        case 2:
            at, where = dice.choice(places)
            if not isinstance(box, list) and not isinstance(at, list) and where in at:
                box[key] = at[where] if not isinstance(at[where], dict | list) else repr(where)
        case _:
            box[key] = dice.choice(_VALUES)
    try:
        return json.dumps(value, default=repr).encode() if is_json else cbor2.dumps(value, canonical=True)
    except (cbor2.CBORError, ValueError, TypeError, RecursionError):
        return data  # keys of two types cannot be sorted


def _places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every part of a value: the map or list that it is in, and its key."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield value, key
            yield from _places(item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield value, index
            yield from _places(item)


def fuzz(inputs: int, seed: int, among: Sequence[Reader]) -> Report:
    """Give mutated bytes to the readers in turn. Raises Found with the input, in hex, that one of them fails at.

    "taken" counts mutations that a reader took as a message; what a mutation left as it was is "unchanged".
    """
    # One for each, so that fresh random keys in the seeds of one reader do not change what the others are given.
    dices = [random.Random(f"{seed} {reader.name}") for reader in among]  # noqa: S311 - it draws tests, not secrets
    everything = [one for reader in among for one in reader.seeds]
    report = Report(outcomes={reader.name: Counter() for reader in among})
    rss, began = _peak_rss_bytes(), time.process_time()
    for number in range(inputs):
        reader, dice = among[number % len(among)], dices[number % len(among)]
        data = mutated(dice.choice(reader.seeds), dice.choice(everything), dice)
        before = time.process_time()
        try:
            reader.read(data)
            outcome = "unchanged" if data in reader.seeds else "taken"
        except Problem as problem:
            outcome = problem.code.slug
            if problem.code not in reader.problems:
                raise Found(f"{reader.name}: {problem.code.slug} for {data.hex()}") from problem
        except Exception as error:
            raise Found(f"{reader.name}: {type(error).__name__}: {error} for {data.hex()}") from error
        report.slowest_s = max(report.slowest_s, time.process_time() - before)
        report.outcomes[reader.name][outcome] += 1
        report.inputs += 1
    report.seconds = time.process_time() - began
    report.rss_growth_bytes = _peak_rss_bytes() - rss
    return report


def _peak_rss_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="the same seed and readers give the same mutations")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args(arguments)
    try:
        report = fuzz(options.inputs, options.seed, readers())
    except Found as found:
        print(found, file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report.to_dict(), indent=1))
        return 0
    print(
        f"{report.inputs:,} inputs, {report.seconds:.1f} processor seconds, {report.slowest_s * 1e3:.1f} ms the slowest"
    )
    print(f"peak memory grew by {report.rss_growth_bytes / 2**20:.1f} MiB")
    for name, outcomes in report.outcomes.items():
        print(f"  {name:<24} " + ", ".join(f"{outcome} {count:,}" for outcome, count in outcomes.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
