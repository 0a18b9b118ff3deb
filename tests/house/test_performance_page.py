"""The performance page: its tables from rows, its targets from the same rows, and a place on the page for each."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks import all as all_
from benchmarks.rows.measure import Row
from benchmarks.rows.tables import TABLES, markdown, number
from benchmarks.rows.targets import Target, table, targets

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"


def rows(*found: Row) -> list[dict[str, Any]]:
    return [dict(row.to_dict()) for row in found]


def gradient(ours_353: float, ours_100k: float = 0.11) -> list[dict[str, Any]]:
    small, large, larger = {"rows": 353, "d": 11}, {"rows": 10_000, "d": 100}, {"rows": 100_000, "d": 100}
    return rows(
        Row("moments, once a job", {**small}, 0, 0.001),
        Row("gradient", {**small}, 2048, ours_353, "floor", 0.018),
        Row("gradient", {**small}, 2048, ours_353, "phe", 2.5),
        Row("gradient", {**small}, 2048, ours_353, "sf-heu", 6.0),
        Row("gradient", {**large}, 2048, 0.1, "phe", 600.0, extrapolated=True),
        Row("gradient", {**larger}, 2048, ours_100k, "phe", 6000.0, extrapolated=True),
        Row("gradient", {**larger}, 3072, ours_100k, "tenseal 8192, A·w − b", 0.2),
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0288, "0.0288"), (2.6, "2.6"), (123.4, "123"), (12345.6, "12,346"), (0.00034567, "0.000346")],
)
def test_figures_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_the_gradient_table_has_a_line_for_each_shape_and_marks_what_is_extrapolated() -> None:
    shown = TABLES["gradient"](gradient(0.02)).splitlines()
    assert shown[0] == "| 2048 bits: rows, d | ours, s | floor | phe | sf-heu |"
    assert shown[2] == "| 353, 11 | 0.02 | 0.018 s, 0.9× | 2.5 s, 125× | 6 s, 300× |"
    assert shown[3] == "| 10,000, 100 | 0.1 |  | ≈ 600 s, 6,000× |  |"
    assert shown[-1] == "| 353, 11 | 0.001 |"


def test_targets_are_met_or_not_by_the_rows_alone() -> None:
    met = {target.claim: target for target in targets({"gradient": gradient(0.008)})}
    assert [target.met for target in met.values()] == [True, True, True, True]
    assert met["gradient (353, 11), times phe"].measured == 312.5
    missed = targets({"gradient": gradient(0.03, ours_100k=0.5)})
    assert [target.met for target in missed] == [False, True, False, False]
    assert "| **no** |" in table(missed) and "| **no** |" not in table(list(met.values()))


def test_what_was_not_measured_is_not_met() -> None:
    (first, *_) = targets({"gradient": gradient(0.02)[4:]})
    assert math.isnan(first.measured) and not first.met
    assert "| not measured | **no** |" in table([first])
    assert targets({}) == []
    assert Target("x", 2, 2, at_most=True).met and not Target("x", 2, 2.1, at_most=True).met


def test_a_networks_table_has_a_column_for_each_size_and_the_memory_of_each_part() -> None:
    shapes: list[dict[str, float | int | str]] = [
        {"weights": weights, "engine": engine, "bytes a weight": 5.02, "owners": 3}
        for weights, engine in ((431_080, "kernel"), (3_490_000, "kernel"), (431_080, "gmpy2, one core"))
    ]
    found = [Row("adding", shape | {"peak_mib": 1100}, 3072, 0.25) for shape in shapes]
    found += [Row("the round", shape, 3072, 8.0) for shape in shapes]
    found.append(Row("Flower's FedAvg, unencrypted", {"weights": 3_490_000, "peak_mib": 211}, 0, 0.02))
    found.append(Row("local training, one owner", {"weights": 431_080, "clock": "wall"}, 0, 1.5))
    assert TABLES["network"](rows(*found)).splitlines() == [
        "| 3072 bits: part of a round | 431,080 weights | 3,490,000 weights |",
        "| --- | --- | --- |",
        "| adding | 0.25 s, 1,100 MiB | 0.25 s, 1,100 MiB |",
        "| adding, by gmpy2, one core | 0.25 s, 1,100 MiB |  |",
        "| the round | 8 s | 8 s |",
        "| the round, by gmpy2, one core | 8 s |  |",
        "| Flower's FedAvg, unencrypted |  | 0.02 s, 211 MiB |",
        "| local training, one owner | 1.5 s by the clock |  |",
        "| bytes an owner sends, a weight | 5.02 | 5.02 |",
    ]


def test_the_page_has_a_place_for_every_table_and_keeps_the_rest() -> None:
    page = PAGE.read_text(encoding="utf-8")
    sections = dict.fromkeys([*TABLES, "targets", "machine"], "| here |")
    after = all_.replaced(page, sections)
    assert after.count("| here |") == len(sections)
    assert after.startswith(page[: page.index("<!-- machine: begin -->")])
    assert all_.replaced(after, sections) == after


@pytest.mark.parametrize("page", ["", "<!-- a: end --><!-- a: begin -->", "<!-- a: begin -->" * 2 + "<!-- a: end -->"])
def test_a_page_without_its_markers_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="<!-- a: begin -->"):
        all_.replaced(page, {"a": "text"})


def test_every_command_on_the_page_is_of_a_benchmark_that_there_is() -> None:
    assert set(all_.COMMANDS) == set(TABLES)
    text = PAGE.read_text(encoding="utf-8")
    for name in all_.COMMANDS:
        assert f"python -m benchmarks.{name}" in text


def test_results_are_kept_and_a_benchmark_that_fails_leaves_the_earlier_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gradient.json").write_text(json.dumps(gradient(0.02)))
    page = tmp_path / "page.md"
    markers = "".join(f"<!-- {name}: begin --> old <!-- {name}: end -->" for name in ("gradient", "targets", "machine"))
    page.write_text(markers)
    monkeypatch.setattr(all_, "COMMANDS", {"gradient": (), "no_such_benchmark": ()})
    status = all_.main(["--only", "no_such_benchmark", "--results", str(tmp_path), "--page", str(page)])
    out, err = capsys.readouterr()
    assert status == 1 and "failed: no_such_benchmark" in err
    assert "| 353, 11 | 0.02 |" in out and "| 353, 11 | 0.02 |" in page.read_text() and "old" not in page.read_text()
    assert all_.main(["--no-run", "--results", str(tmp_path)]) == 0


def test_small_sizes_do_not_get_onto_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        all_.main(["--quick", "--page", str(tmp_path / "page.md"), "--no-run"])
    assert "leave out one" in capsys.readouterr().err


def test_a_table_of_nothing_still_has_its_header() -> None:
    assert markdown(["a", "b"], []) == "| a | b |\n| --- | --- |"
