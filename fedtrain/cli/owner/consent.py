"""The terms that a person at a Data Owner decides about: what a job is for, its columns, what leaves, the risks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fedtrain.cli.output import console

_MOST_COLUMNS = 40
_NOT_SAID = "not said: ask its Model Owner before you decide"


def consent(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is decided, in plain words, from what GET /models/{id} of a Data Owner says."""
    spec, training, leak = job["spec"] or {}, job["training"] or {}, job["leak"] or {}
    props = spec.get("data_props") or {}
    targets = props.get("targets") or [target for target in (props.get("target"),) if target]
    least, most = training.get("min_data_owners"), training.get("max_data_owners")
    return {
        "job": job["id"],
        "name": spec.get("name"),
        "purpose": spec.get("purpose") or _NOT_SAID,
        "model_owner": f"{job['model_owner_name']} ({job['model_owner']})",
        "model": (
            f"{_words(spec.get('model_type'))}, by {_words(training.get('optimizer'))}, at most {job['rounds']} rounds"
        ),
        "predicts": ", ".join(_label(target) for target in targets),
        "targets": [_column(target) for target in targets],
        "columns": [_column(feature) for feature in props.get("features") or ()],
        "dataset": f"{job['dataset']}, version {str(job['dataset_version'])[:16]}…",
        "least_owners": least,
        "who_else": f"{least} to {most} owners in all; who they are is fixed when all have answered",
        "auditors": list(spec.get("auditors") or ()),
        "leaves": _leaves(leak),
        "weights": _weights(training),
        "privacy": _privacy(spec.get("privacy"), least),
        "key": f"{training.get('key_bits')}-bit key, {plan_bits(job['plan'] or {})}",
        "waits_because": job["waits_because"],
        "risks": list(job["differencing_risks"]),
        "earlier_jobs": [f"{one['id']} over {', '.join(one['owners'])}" for one in job["earlier_jobs"]],
    }


def print_consent(asked_for: Mapping[str, Any]) -> None:
    """Print it, a line a matter; nothing is said of what there is none of."""
    for label, value in _lines(asked_for):
        if value:
            console().print(f"{label:>14}  {_readable(value)}", markup=False)


def _readable(value: object) -> str:
    """A text of another party without what could move a terminal's cursor, or turn around how it is read."""
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in str(value))


def _lines(asked_for: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    names = ("job", "name", "purpose", "model_owner", "model")
    yield from ((name.replace("_", " "), asked_for[name]) for name in names)
    yield from (("predicts", target) for target in asked_for["targets"])
    columns = asked_for["columns"]
    yield from (("from column", column) for column in columns[:_MOST_COLUMNS])
    if len(columns) > _MOST_COLUMNS:
        yield "", f"and {len(columns) - _MOST_COLUMNS} columns more: --json has them all"
    yield from ((name.replace("_", " "), asked_for[name]) for name in ("dataset", "who_else"))
    yield from (("may audit", auditor) for auditor in asked_for["auditors"])
    yield from ((name.replace("_", " "), asked_for[name]) for name in ("leaves", "weights", "privacy", "key"))
    yield from (("risk", risk) for risk in asked_for["risks"])
    yield from (("earlier job", earlier) for earlier in asked_for["earlier_jobs"])
    yield "waits because", asked_for["waits_because"]


def _privacy(claim: Mapping[str, Any] | None, least_owners: Any) -> str | None:
    if claim is None:
        return None
    honest = claim.get("honest_owners") or max(1, (least_owners or 2) - 1)
    return (
        f"every number carries noise: epsilon {claim['epsilon']:g} at delta {claim['delta']:g} for each record, as "
        f"long as {honest} owners add theirs honestly; `fedtrain budget` says what is left"
    )


def _words(name: object) -> str:
    return str(name).replace("_", " ").lower()


def _label(column: Mapping[str, Any]) -> str:
    return str(column["name"]) if column.get("name") is not None else f"column {column.get('col_idx')}"


def _column(column: Mapping[str, Any]) -> str:
    kind = column.get("type") or ("category" if column.get("categories") else "number")
    held = column.get("categories") or column.get("range") or ()
    between = " or " if column.get("categories") else " to "
    shown = between.join(_value(value) for value in held[:_MOST_COLUMNS]) + (" …" if len(held) > _MOST_COLUMNS else "")
    described = f": {column['description']}" if column.get("description") else ""
    return f"{_label(column)}, {kind} {shown}{described}"


def _value(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _leaves(leak: Mapping[str, Any]) -> str:
    return (
        f"encrypted and masked, so that only sums over all owners can be read: {leak.get('numbers_per_round')} sums a "
        f"decrypted round, at most {leak.get('rounds_at_most')} rounds, of {leak.get('numbers_in_all_moments')} that "
        f"there are; if {leak.get('holds_if')}"
    )


def _weights(training: Mapping[str, Any]) -> str:
    if training.get("weights") == "shared_with_owners":
        return "shown to this owner; who makes them steep enough can single out a row of the sum"
    every = training.get("reencrypt_every")
    return "encrypted, afresh in every round" if every == 1 else f"encrypted, afresh in every {every} rounds"


def plan_bits(plan: Mapping[str, Any]) -> str:
    """The plan's own numbers in a line: whatever is a plain number in it."""
    shown = [f"{name} {value}" for name, value in sorted(plan.items()) if isinstance(value, int)]
    return ", ".join(shown) or "no numbers"
