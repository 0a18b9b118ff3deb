"""The terms that a person at a Data Owner decides about, printed: its service says them, `asked` of a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fedtrain.cli.output import console

_MOST_COLUMNS = 40
#: What is called otherwise than its field, a line each.
_LABELS = {
    "targets": "predicts",
    "columns": "from column",
    "auditors": "may audit",
    "risks": "risk",
    "earlier_jobs": "earlier job",
}
#: Told by other lines, and there for lists.
_SHORTER = frozenset({"predicts", "least_owners"})


def print_consent(asked: Mapping[str, Any]) -> None:
    """Print it, a line a matter, in the service's order; nothing is said of what there is none of."""
    for label, value in _lines(asked):
        console().print(f"{label:>14}  {_readable(value)}", markup=False)


def _readable(value: object) -> str:
    """A text of another party without what could move a terminal's cursor, or turn around how it is read."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in str(value))


def _lines(asked: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, said in asked.items():
        label = _LABELS.get(name, name.replace("_", " "))
        lines = said if isinstance(said, list) else [said]
        most = _MOST_COLUMNS if name == "columns" else len(lines)
        if name not in _SHORTER:
            yield from ((label, one) for one in lines[:most] if one)
        if len(lines) > most:
            yield "", f"and {len(lines) - most} columns more: --json has them all"
