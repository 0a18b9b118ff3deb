"""What the benchmarks must show, and whether they do: from the rows alone, so that no figure is copied by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.tables import markdown, number

Rows = Sequence[Mapping[str, Any]]
KEY_BITS = 2048


@dataclass(frozen=True)
class Target:
    """`measured` is to be at least `wanted`, or at most where `at_most`. NaN: was not measured."""

    claim: str
    wanted: float
    measured: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """False where it was not measured."""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


def targets(results: Mapping[str, Any]) -> list[Target]:
    """Every target whose benchmark is in `results`, rows by benchmark; at 2,048 bits, one core each unless said."""
    found: list[Target] = []
    for name, of_benchmark in _OF.items():
        if name in results:
            found += of_benchmark(results[name])
    return found


def table(found: Iterable[Target]) -> str:
    """As Markdown, those that are not met in bold."""
    lines = []
    for target in found:
        measured = "not measured" if math.isnan(target.measured) else number(target.measured)
        sign = "≤" if target.at_most else "≥"
        met = "yes" if target.met else "**no**"
        lines.append([target.claim, f"{sign} {number(target.wanted)}", measured, met])
    return markdown(["what", "target", "measured", "met"], lines)


def _gradient(rows: Rows) -> list[Target]:
    def seconds(count: int, d: int) -> float:
        return _worst(
            (row["seconds"] for row in _of(rows, "gradient") if _shape(row) == (count, d)), largest_is_worst=True
        )

    def against_phe(count: int, d: int) -> float:
        return _worst(row["ratio"] for row in _of(rows, "gradient", "phe") if _shape(row) == (count, d))

    return [
        Target("gradient (353, 11), times phe", 100, against_phe(353, 11)),
        Target("gradient (10,000, 100), times phe", 1000, against_phe(10_000, 100)),
        Target("gradient (100,000, 100), of (10,000, 100)", 1.2, seconds(100_000, 100) / seconds(10_000, 100), True),
    ]


def _encrypt(rows: Rows) -> list[Target]:
    found = [
        Target(f"packed {name}, times phe", wanted, _worst(r["ratio"] for r in _of(rows, f"packed {name}", "phe")))
        for name, wanted in (("encryption", 500), ("decryption", 40), ("addition", 80))
    ]
    packed = _of(rows, "packed encryption")
    for peer in ("sf-heu", "pypaillier"):
        measured = _worst(row["ratio"] for row in packed if row["peer"] == peer)
        found.append(Target(f"packed encryption, times {peer}", 20, measured))
    one_by_one = _worst(row["ratio"] for row in _of(rows, "encryption one by one", "sf-heu"))
    found.append(Target("one value a ciphertext, times sf-heu", 1, one_by_one))
    ckks = _worst(
        (
            row["sizes"]["bytes_a_value"] / row["sizes"]["peer_bytes_a_value"]
            for row in packed
            if str(row["peer"]).startswith("tenseal 8192")
        ),
        largest_is_worst=True,
    )
    found.append(Target("bytes a value, of tenseal's default", 1 / 3, ckks, True))
    for name in ("encryption", "decryption"):
        measured = _worst(row["ratio"] for row in _of(rows, f"packed {name}, all cores"))
        found.append(Target(f"packed {name}, all cores, times one, by the clock", 1.5, measured))
    return found


def _floor(rows: Rows) -> list[Target]:
    slowest = _worst((1 / row["ratio"] for row in rows), largest_is_worst=True)
    return [Target("slowest engine operation at any key size, times its floor", 1.5, slowest, True)]


def _round(rows: Rows) -> list[Target]:
    of_ten = (1 / row["ratio"] for row in _of(rows, "round") if (row["sizes"]["owners"], row["sizes"]["d"]) == (10, 11))
    return [Target("a round of 10 owners at d = 11, of its compute", 3, _worst(of_ten, largest_is_worst=True), True)]


def _scaling(rows: Rows) -> list[Target]:
    streamed = {row["sizes"]["rows"]: row for row in rows if row["name"] == "moments from Parquet, once a job"}
    if not streamed:
        return []
    most = streamed[max(streamed)]
    tenth = streamed.get(max(streamed) // 10, most)
    growth = most["sizes"]["peak_mib"] / tenth["sizes"]["peak_mib"]
    return [
        Target("rows of Parquet a second into moments, d = 30", 1e6, most["sizes"]["rows"] / most["seconds"]),
        Target("peak memory of ten times the rows, of a tenth", 1.1, growth, True),
    ]


def _protection(rows: Rows) -> list[Target]:
    return [Target("masks, signatures, checks, % of a round", 15, rows[0]["sizes"]["added_percent"], True)]


def _plan(cases: Mapping[str, Any]) -> list[Target]:
    ratios = (max(ratio, 1 / ratio) for case in cases.values() for ratio in case["ratios"].values())
    return [Target("plan and run, worst factor between them", 2, _worst(ratios, largest_is_worst=True), True)]


_OF: Final[Mapping[str, Callable[[Any], list[Target]]]] = {
    "gradient": _gradient,
    "encrypt": _encrypt,
    "floor": _floor,
    "round": _round,
    "scaling": _scaling,
    "protection": _protection,
    "plan": _plan,
}


def _of(rows: Rows, name: str, peer: str | None = None) -> list[Mapping[str, Any]]:
    return [row for row in rows if (row["name"], row["key_bits"]) == (name, KEY_BITS) and peer in (None, row["peer"])]


def _shape(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["sizes"]["rows"], row["sizes"]["d"]


def _worst(values: Iterable[float], *, largest_is_worst: bool = False) -> float:
    """NaN for none."""
    kept = list(values)
    return (max(kept) if largest_is_worst else min(kept)) if kept else math.nan
