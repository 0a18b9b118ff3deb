"""The terms that a person at a Data Owner decides about, in plain words: the same for a page and for the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from fedtrain.data_owner.job_state import JobState
from fedtrain.data_owner.policy.told import Told
from fedtrain.methods.network.private import claimed_epsilon
from fedtrain.planning.plans import numbers_revealed, sign_off_in_words
from fedtrain.protocol.documents.signed import Manifest
from fedtrain.spec.model_spec import ModelSpec
from fedtrain.spec.privacy import Privacy
from fedtrain.spec.problems import Problem
from fedtrain.spec.training import Training

_MOST_VALUES = 40
_NOT_SAID = "not said: ask its Model Owner before you decide"


class Leak(BaseModel):
    """Numbers that the Model Owner learns by the protocol: so many a decrypted round, of so many there are."""

    numbers_per_round: int
    rounds_at_most: int
    numbers_in_all_moments: int
    holds_if: str = "the Model Owner follows the protocol; one crafted request can carry all of the summed moments"


class Terms(BaseModel):
    """The words that are shown before a person decides, a line a matter: of a job, or of a request for one.

    `predicts` has the names of `targets` alone, and `least_owners` is the first number of `who_else`: for lists.
    """

    name: str | None
    purpose: str
    model_owner: str
    model: str
    predicts: str
    targets: list[str]
    columns: list[str]
    dataset: str
    least_owners: int
    who_else: str
    auditors: list[str]
    leaves: str | None
    weights: str
    privacy: str | None
    key: str
    risks: list[str]
    earlier_jobs: list[str]


class Asked(Terms):
    """A job in the words that are shown before a person approves or declines it."""

    job: str
    waits_because: str | None

    @classmethod
    def of(cls, job: JobState, manifest: Manifest, leak: Leak | None, earlier: Sequence[Told], min_cell: int) -> Asked:
        """Return what `job` asks, whose Model Owner signed `manifest`; `earlier`: the jobs on the same rows.

        `min_cell`: the policy's.
        """
        training = manifest.spec.training
        least, most = training.min_data_owners, training.max_data_owners
        return cls(
            job=job.job_id,
            model_owner=f"{job.model_owner_name} ({job.model_owner})",
            dataset=f"{job.dataset}, version {str(job.dataset_version)[:16]}…",
            who_else=f"{least} to {most} owners in all; who they are is fixed when all have answered",
            risks=[*job.risks_taken, *job.risks],
            earlier_jobs=earlier_in_words(earlier),
            waits_because=job.waits_because,
            **terms_of(manifest.spec, manifest.plan, job.rounds, leak, min_cell),
        )


def terms_of(
    spec: ModelSpec, plan: Mapping[str, object], rounds: int | None, leak: Leak | None, min_cell: int
) -> dict[str, Any]:
    """Return what a spec itself says of a job, by the names of the fields that `Terms` has for it.

    `min_cell`: the policy's.
    """
    training = spec.training
    props = spec.data_props.model_dump(mode="json", exclude_none=True)
    targets = props.get("targets") or ([props["target"]] if "target" in props else [])
    by = f", by {_words(training.optimizer)}" if targets else f" on the grid {_words(spec.grid or 'of the spec')}"
    return {
        "name": spec.name,
        "purpose": spec.purpose or _NOT_SAID,
        "model": f"{_words(spec.model_type)}{by}, at most {_rounds(rounds)}",
        "predicts": ", ".join(_label(target) for target in targets) or "nothing",
        "targets": [_column(target) for target in targets],
        "columns": [_column(feature) for feature in props["features"]],
        "least_owners": training.min_data_owners,
        "auditors": list(spec.auditors),
        "leaves": None if leak is None else _all_of(_told(spec, min_cell), _leaves(leak), sign_off_in_words(spec)),
        "weights": _weights(spec),
        "privacy": None if spec.privacy is None else _privacy(spec, spec.privacy),
        "key": f"{training.key_bits}-bit key, {_plan_bits(plan)}",
    }


def _told(spec: ModelSpec, min_cell: int) -> str:
    if not spec.kind.tells_thresholds:
        return spec.kind.told
    if min_cell > 1:
        return f"{spec.kind.told}: nothing of fewer rows than min_cell, which is {min_cell}"
    return (
        f"{spec.kind.told}. This owner's min_cell is {min_cell}, so that one row is enough: it tells between which "
        "bounds the smallest and the largest value of each column lie"
    )


def _all_of(*said: str | None) -> str:
    return "; ".join(filter(None, said))


def earlier_in_words(earlier: Sequence[Told]) -> list[str]:
    """Return earlier jobs, each with the names of the owners that it was over."""
    return [f"{one.job_id} over {', '.join(sorted(one.names))}" for one in earlier]


def _rounds(count: int | None) -> str:
    return "1 round" if count == 1 else f"{count} rounds"


def leak_of(spec: ModelSpec, rounds: int) -> Leak | None:
    """Return what the Model Owner learns by the protocol; None where this version has no plan for the spec."""
    try:
        a_round, in_all = numbers_revealed(spec)
    except Problem:  # joined under an earlier version, whose plan is none any more
        return None
    if in_all is None:
        # Answers to other weights are other numbers: there is no set of sums that all of them follow from.
        return Leak(
            numbers_per_round=a_round,
            rounds_at_most=rounds,
            numbers_in_all_moments=a_round * rounds,
            holds_if="the Model Owner follows the protocol; weights that owners see can be crafted to single out rows",
        )
    leak = Leak(numbers_per_round=a_round, rounds_at_most=rounds, numbers_in_all_moments=in_all)
    if spec.kind.tells_thresholds:
        holds_if = "another owner is honest, too; it is asked with nothing that could be crafted"
        return leak.model_copy(update={"holds_if": holds_if})
    return leak


def weights_in_words(training: Training) -> str:
    """Return what this owner is shown of the model's weights."""
    if training.weights == "shared_with_owners":
        return "shown to this owner; who makes them steep enough can single out a row of the sum"
    every = training.reencrypt_every
    return "encrypted, afresh in every round" if every == 1 else f"encrypted, afresh in every {every} rounds"


def _weights(spec: ModelSpec) -> str:
    given = "; the finished network is given to this owner, to predict with" if spec.give_model is not None else ""
    return weights_in_words(spec.training) + given


def _privacy(spec: ModelSpec, claim: Privacy) -> str:
    return (
        f"every number carries noise: epsilon {claimed_epsilon(spec, claim):.6g} at delta {claim.delta:g} for each "
        f"record, as long as {spec.honest_owners} owners add theirs honestly; `fedtrain budget` says what is left"
    )


def _words(name: str) -> str:
    return str(name).replace("_", " ").lower()


def _label(column: Mapping[str, Any]) -> str:
    return str(column["name"]) if column.get("name") is not None else f"column {column.get('col_idx')}"


def _column(column: Mapping[str, Any]) -> str:
    kind = column.get("type") or ("category" if column.get("categories") else "number")
    held = column.get("categories") or column.get("range") or ()
    between = " or " if column.get("categories") else " to "
    shown = between.join(_value(value) for value in held[:_MOST_VALUES]) + (" …" if len(held) > _MOST_VALUES else "")
    described = f": {column['description']}" if column.get("description") else ""
    return f"{_label(column)}, {kind} {shown}".rstrip() + described


def _value(value: object) -> str:
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _leaves(leak: Leak) -> str:
    return (
        f"encrypted and masked, so that only sums over all owners can be read: {leak.numbers_per_round} sums a "
        f"decrypted round, at most {_rounds(leak.rounds_at_most)}, of {leak.numbers_in_all_moments} that "
        f"there are; if {leak.holds_if}"
    )


def _plan_bits(plan: Mapping[str, object]) -> str:
    """Return the plan's own numbers in a line: whatever is a plain number in it."""
    shown = [f"{name} {value}" for name, value in sorted(plan.items()) if isinstance(value, int)]
    return ", ".join(shown) or "no numbers"
