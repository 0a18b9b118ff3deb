"""docs/metrics.md and the dashboard against what the services really tell."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.observed_job import OWNERS, ObservedJob

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "metrics.md").read_text()
ROLES = {"facilitator": "F", "model-owner": "M", OWNERS[0]: "D"}
LOGGERS = (
    "crypto",
    "facilitator",
    "data_owner",
    "model_owner",
    "fedtrain/client",
    "fedtrain/service",
    "fedtrain/protocol",
)
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


def table_under(title: str) -> list[list[str]]:
    """The rows of the first table after a heading, cell by cell."""
    text = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]


def told(text: str) -> dict[str, str]:
    """Metric name → type, from a /metrics page, the client's own process_* left out."""
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    # The time at which a counter began is not a metric to look at.
    return {
        name: kind for name, kind in types.items() if name.startswith("fedtrain_") and not name.endswith("_created")
    }


def test_the_page_names_every_metric_with_its_type_and_who_has_it(observed_job: ObservedJob) -> None:
    found: dict[str, tuple[str, str]] = {}
    for party, letter in ROLES.items():
        for name, kind in told(observed_job.after[party]).items():
            found[name] = (kind, f"{found.get(name, ('', ''))[1]} {letter}".strip())
    documented = {row[0].strip("`"): (row[1], row[3]) for row in table_under("Metrics")}
    assert documented == found


def test_the_page_names_the_labels_that_samples_have(observed_job: ObservedJob) -> None:
    documented = {row[0].strip("`"): re.sub(r" \(at .\)", "", row[2]) for row in table_under("Metrics")}
    seen = 0
    for party in ROLES:
        for family in text_string_to_metric_families(observed_job.after[party]):
            for sample in family.samples:
                name = re.sub(r"_(bucket|count|sum|created)$", "", sample.name)
                labels = {label for label in sample.labels if label != "le"}
                if name in documented and labels:
                    assert labels == set(documented[name].split(", ")), sample.name
                    seen += 1
    assert seen > 50


def test_names_follow_prometheus(observed_job: ObservedJob) -> None:
    """A counter ends in _total, what is measured has its unit, and nothing else ends so."""
    for party in ROLES:
        for name, kind in told(observed_job.after[party]).items():
            assert name.endswith("_total") == (kind == "counter"), name
            if kind == "histogram":
                assert name.endswith("_seconds"), name


def value(text: str, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(text)
    found = [s.value for f in families for s in f.samples if s.name == name and labels.items() <= s.labels.items()]
    return sum(found)


def test_a_job_is_counted_at_every_party(observed_job: ObservedJob) -> None:
    before, after = observed_job.before, observed_job.after

    def grew(party: str, name: str, **labels: str) -> float:
        return value(after[party], name, **labels) - value(before[party], name, **labels)

    assert grew("facilitator", "fedtrain_rounds_total", kind="gradient") == 3
    assert grew("facilitator", "fedtrain_rounds_total", kind="counts") == 1
    assert grew("facilitator", "fedtrain_jobs_ended_total", status="FINISHED") == 1
    assert grew("facilitator", "fedtrain_phase_seconds_count", phase="WAITING_FOR_DATA_OWNERS") == 4
    assert grew("facilitator", "fedtrain_phase_seconds_count", phase="JOINING") == 1
    assert grew("facilitator", "fedtrain_problems_total", code="model-not-found") == 1
    assert grew("model-owner", "fedtrain_task_seconds_count", kind="step") == 5
    for party in ROLES:
        assert grew(party, "fedtrain_jobs", status="FINISHED", phase="FINISHED") == 1
        assert grew(party, "fedtrain_store_write_seconds_count") > 4
        assert grew(party, "fedtrain_executor_wait_seconds_count") > 4
        assert grew(party, "fedtrain_event_loop_lag_seconds_count") > 0
    for owner in OWNERS:
        assert grew(owner, "fedtrain_task_seconds_count", kind="compute") == 4
        assert value(after[owner], "fedtrain_facilitator_connected") == 1


# The log's events


def events() -> Iterator[tuple[str, str]]:
    """Every event that a service can log, with its level."""
    for package in LOGGERS:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and ast.unparse(node.func.value) in {"log", "self._log"}
                    and node.func.attr in LEVELS
                ):
                    event = node.args[0]
                    assert isinstance(event, ast.Constant), f"{path}:{node.lineno}: an event is a fixed text"
                    yield str(event.value), LEVELS[node.func.attr]


def test_the_page_names_every_event_of_the_log() -> None:
    documented = {row[0] for row in table_under("Logs")}
    assert documented == {event for event, _ in events()}


def test_the_page_names_a_level_that_the_event_has() -> None:
    levels = set(events())
    for event, level, *_ in table_under("Logs"):
        for one in level.split(", "):
            assert (event, one) in levels


# The dashboard


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    return json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text())


def test_every_metric_of_the_dashboard_is_told_by_some_service(
    dashboard: dict[str, Any], observed_job: ObservedJob
) -> None:
    names = {
        name for party in ROLES for name in dict(re.findall(r"^# TYPE (\S+) (\S+)$", observed_job.after[party], re.M))
    }
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    asked = {name for text in expressions for name in re.findall(r"\b(?:fedtrain|process)_\w+", text)}
    assert len(asked) > 20
    assert {re.sub(r"_(bucket|count|sum)$", "", name) if name not in names else name for name in asked} <= names


def test_every_label_of_the_dashboard_is_on_the_page(dashboard: dict[str, Any]) -> None:
    known = {label for row in table_under("Metrics") for label in re.sub(r" \(at .\)", "", row[2]).split(", ")}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            for labels in re.findall(r"by \(([^)]*)\)", target["expr"]):
                used |= {label.strip() for label in labels.split(",")}
            assert used <= known | {"job", "le"}, target


def test_the_dashboard_can_be_imported(dashboard: dict[str, Any]) -> None:
    variables = {variable["name"]: variable["type"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource": "datasource", "party": "query"}
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert set(panel["gridPos"]) == {"h", "w", "x", "y"}
        assert 0 <= panel["gridPos"]["x"] <= 24 - panel["gridPos"]["w"]
        if panel["type"] == "row":
            continue
        assert panel["datasource"]["uid"] == "${datasource}"
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0


def test_no_two_panels_lie_over_each_other(dashboard: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert taken.setdefault(cell, panel["title"]) == panel["title"]
