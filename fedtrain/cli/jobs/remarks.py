"""Remarks on the terminal: what people must know of a result beside its numbers."""

from __future__ import annotations

from typing import Any

from fedtrain.cli.output import console


def print_remarks(answer: dict[str, Any]) -> None:
    """Print each of an answer's `remarks` on a line of its own; nothing where it has none."""
    for remark in answer.get("remarks") or ():
        console().print(f"note: {remark['text']} ({remark['code']})", markup=False)
