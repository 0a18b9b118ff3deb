"""The policy of this owner's people, and the judgement of a job against it. Pure: nothing is read, nothing kept."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, ValidationError

from fedtrain.data_owner.data.encoding import DatasetFacts, differences
from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.policy.inspected import CellKind, InspectedPart, Inspection
from fedtrain.protocol.documents.signed import Acceptance, Name, PartyId, SignedDocument
from fedtrain.protocol.documents.trust import Trust
from fedtrain.spec.model_spec import ModelSpec, Strict
from fedtrain.spec.problems import Code, Problem

LEAST_ROSTER = 3  # with two owners, one colluder knows the other's part
LEAST_CELL_ROWS = 10
MAX_LEVERAGE = 0.99
#: Cells and columns are listed to a person, but no page of them.
MOST_SHOWN = 12
_PART_NAMES = {"all": "the table", "training": "the training part", "validation": "the validation part"}
_CELL_ADVICE: dict[CellKind, str] = {
    "category": "merge a category of few rows with another",
    "imputed": 'set "missing" to "drop", so that records without a value are left out',
    "tail": "widen the declared range so that it clips nothing, or narrow it so that it clips more rows",
    "common": "narrow the declared range to the values that occur",
    "joint": "merge categories of one of the two columns",
}


class Ruling(StrEnum):
    ACCEPT = "accept"
    DECLINE = "decline"
    ASK = "ask"


@dataclass(frozen=True)
class Verdict:
    """Ruling on a job. Others are told `code` alone; `detail` is for this owner's own people."""

    outcome: Ruling
    code: Code | None = None
    detail: str = ""


ACCEPTED = Verdict(Ruling.ACCEPT)


class DatasetOffer(Strict):
    """A dataset offered: to every trusted Model Owner, or only to those that are named."""

    name: Name
    model_owners: tuple[PartyId, ...] | None = None


class ReleasePolicy(Strict):
    """`people`: how many of this owner's people sign a result off before it opens."""

    people: Annotated[int, Field(ge=1, le=10)] = 1


class OwnerPolicy(Strict):
    """The owner's policy, as its TOML file has it; the defaults are the strict ones.

    `datasets`: those on offer (None: every one that is registered). `min_cell`: no cell of the encoded table, such as a
    category or a clipped tail, may hold 1 to min_cell − 1 rows (0 switches the check off); with `joint_cells`, no cell
    of two indicators either. `max_leverage`: a table with a row above it waits for a person (1: none does), as does one
    whose training or validation part, where a job shows them, has smaller cells; `standing_out` can be not looked at.
    `differencing`: what could be subtracted from an earlier sum waits for people; "unchecked", it is not looked at as
    long as nobody is pinned. `continue_without_noise`: rounds may go on without an owner although no noise hides what
    the difference of two of them tells. `least_roster` counts owners, this one included; once data owners are pinned,
    only pinned ones. `approved_requests`: a job that is what a person approved as a request joins, whatever `approval`
    says, or waits for a person once more. `adopt_first_encoding`: a dataset without a schema takes the first job's.
    `privacy`: its claims, the budget of each record, and how many owners may collude. `release`: who signs results off.
    """

    trust: Trust = Trust()
    any_model_owner: bool = False
    datasets: tuple[DatasetOffer, ...] | None = None
    least_roster: Annotated[int, Field(ge=1, le=10_000)] = LEAST_ROSTER
    min_rows: Annotated[int, Field(ge=1)] = LEAST_CELL_ROWS
    min_cell: Annotated[int, Field(ge=0)] = LEAST_CELL_ROWS
    joint_cells: bool = False
    max_leverage: Annotated[float, Field(gt=0, le=1)] = MAX_LEVERAGE
    weights: tuple[Literal["encrypted", "shared_with_owners"], ...] = ("encrypted",)
    max_reencrypt_every: Annotated[int, Field(ge=1)] = 100
    max_rounds: Annotated[int, Field(ge=1)] = 100_000
    approval: Literal["automatic", "by_hand"] = "automatic"
    approved_requests: Literal["automatic", "by_hand"] = "automatic"
    adopt_first_encoding: bool = False
    differencing: Literal["by_hand", "unchecked"] = "by_hand"
    standing_out: Literal["by_hand", "unchecked"] = "by_hand"
    privacy: PrivacyPolicy = PrivacyPolicy()
    continue_without_noise: bool = False
    release: ReleasePolicy = ReleasePolicy()

    @classmethod
    def for_loopback(cls, least_roster: int = LEAST_ROSTER) -> Self:
        """The policy of a service that only its own machine reaches: any Model Owner, any rows, any rosters."""
        return cls(
            any_model_owner=True,
            adopt_first_encoding=True,
            min_rows=1,
            least_roster=least_roster,
            differencing="unchecked",
            standing_out="unchecked",
            continue_without_noise=True,
        )

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Read a policy file. Raises Problem(INVALID_REQUEST), naming each field that is wrong."""
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise Problem(Code.INVALID_REQUEST, f"The policy file is not TOML: {error}.") from None
        except ValidationError as error:
            errors = [
                {"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
                for item in error.errors(include_input=False, include_url=False)
            ]
            first = errors[0]
            raise Problem(
                Code.INVALID_REQUEST, f"The policy file: {first['field']}: {first['message']}.", errors=errors
            ) from None

    def knowing(self, trust: Trust) -> Self:
        """Return this policy with further pins.

        Once any of them could name a Model Owner, an open policy is closed: who pins means to refuse the others. Once
        there is any, sums are compared, with LEAST_CELL_ROWS at least between them.
        """
        together = self.trust.and_also(trust)
        changes: dict[str, object] = {"trust": together}
        if together.pins_model_owners:
            changes["any_model_owner"] = False
            if self.any_model_owner:
                changes["standing_out"] = "by_hand"
        if (together.pins_model_owners or together.pins_data_owners) and not self.compares_sums:
            changes |= {"differencing": "by_hand", "min_rows": max(self.min_rows, LEAST_CELL_ROWS)}
        return self.model_copy(update=changes)

    @property
    def compares_sums(self) -> bool:
        """Return whether a job's sums are held against earlier ones."""
        return self.differencing == "by_hand"

    def doubt(self, model_owner: str, membership: SignedDocument | None, now: datetime) -> str | None:
        """Return why a Model Owner is not trusted, for this owner's own people; None when it is.

        `membership`: what it carries. Raises Problem(BAD_SIGNATURE) for a bad voucher among the pins.
        """
        return None if self.any_model_owner else self.trust.doubt(model_owner, "model-owner", membership, now)

    def offers(self, dataset: str, model_owner: str) -> bool:
        """Say whether that dataset is on offer to that Model Owner."""
        if self.datasets is None:
            return True
        offer = next((item for item in self.datasets if item.name == dataset), None)
        return offer is not None and (offer.model_owners is None or model_owner in offer.model_owners)

    def counted_on_roster(self, acceptances: Sequence[Acceptance], own: str, now: datetime) -> int:
        """Count how many of the roster's owners count towards `least_roster`.

        All of them; once there are pins, those that are pinned or that a pinned consortium vouches for.
        """
        if not self.trust.pins_data_owners:
            return len(acceptances)
        return sum(
            1
            for one in acceptances
            if one.party == own or self.trust.doubt(one.party, "data-owner", one.membership, now) is None
        )


class Offer(Protocol):
    """A job that is offered by a manifest, or asked for by a request: what the policy is held against."""

    @property
    def spec(self) -> ModelSpec: ...
    @property
    def model_owner(self) -> str: ...
    @property
    def model_owner_name(self) -> str: ...
    @property
    def membership(self) -> SignedDocument | None: ...


def judge(policy: OwnerPolicy, manifest: Offer, rounds: int, dataset: DatasetFacts | None, now: datetime) -> Verdict:
    """Hold a verified manifest, or a request, against the policy, before any record is read.

    `rounds`: the most rounds the job can take, by its plan. `dataset`: what it asks for, None where there is none.
    """
    spec = manifest.spec
    asked = spec.asked_dataset
    owner = f"{manifest.model_owner_name} ({manifest.model_owner[:16]}…)"
    doubt = policy.doubt(manifest.model_owner, manifest.membership, now)
    if doubt is not None:
        return _decline(Code.UNTRUSTED_MODEL_OWNER, f"{owner} {doubt}: `fedtrain trust` pins it, once checked.")
    if dataset is None:
        return _decline(Code.DATASET_NOT_FOUND, f"Dataset {asked!r} is not registered here.")
    refused = _refused_terms(policy, spec, rounds)
    if not policy.offers(dataset.name, manifest.model_owner):
        refused = f"dataset {dataset.name!r} is not on offer to {owner}"
    if refused:
        return _decline(Code.POLICY_REFUSES, f"The policy refuses the job: {refused}.")
    different = differences(dataset, spec.data_props)
    if different:
        return _decline(Code.ENCODING_DIFFERS, f"The job reads {dataset.name!r} otherwise: {'; '.join(different)}.")
    if policy.approval == "by_hand":
        return Verdict(Ruling.ASK, detail="The policy wants every job approved by hand.")
    if dataset.schema is None and not policy.adopt_first_encoding:
        adopted = "lets it ask about these columns" if spec.kind.tells_thresholds else "adopts its encoding for good"
        return Verdict(Ruling.ASK, detail=f"Dataset {dataset.name!r} has no schema: approving the job {adopted}.")
    return ACCEPTED


def _refused_terms(policy: OwnerPolicy, spec: ModelSpec, rounds: int) -> str | None:
    training = spec.training
    if training.weights not in policy.weights:
        return f"weights {training.weights!r} is not among {list(policy.weights)}"
    if training.reencrypt_every > policy.max_reencrypt_every:
        return f"reencrypt_every {training.reencrypt_every} is above {policy.max_reencrypt_every}"
    if rounds > policy.max_rounds:
        return f"{rounds} rounds are more than {policy.max_rounds}"
    if training.goes_on and spec.privacy is None and not policy.continue_without_noise:
        return (
            'on_dropout "continue" without privacy adds no noise, so that two rounds, one without this owner, tell its '
            "update: it needs continue_without_noise, or privacy in the spec"
        )
    if training.min_data_owners < policy.least_roster:
        return (
            f"min_data_owners {training.min_data_owners} allows a roster below this owner's least, "
            f"{policy.least_roster}"
        )
    return policy.privacy.refuses(spec)


def judge_rows(policy: OwnerPolicy, spec: ModelSpec, rows: int, inspection: Inspection | None) -> Verdict:
    """Hold what the table turned out to hold against policy and plan.

    `inspection`: None for a job that tells of no fewer rows than `min_cell`, whatever the table's cells.
    """
    if rows > spec.training.max_rows:
        return _decline(
            Code.DOES_NOT_FIT, f"{rows} rows are in use, the job's plan covers {spec.training.max_rows} an owner."
        )
    return _judge_count(policy, rows) if inspection is None else judge_table(policy, inspection)


def judge_table(policy: OwnerPolicy, inspection: Inspection) -> Verdict:
    """Hold a table against policy alone: for too few rows, in all or in a cell, every job is declined."""
    verdict = _judge_count(policy, inspection.whole.rows)
    if verdict.outcome is Ruling.DECLINE:
        return verdict
    small = _small_cells(policy, inspection.whole)
    return ACCEPTED if small is None else _decline(Code.TOO_FEW_ROWS, small)


def _judge_count(policy: OwnerPolicy, rows: int) -> Verdict:
    if rows < policy.min_rows:
        return _decline(Code.TOO_FEW_ROWS, f"{rows} rows are in use, the policy's min_rows is {policy.min_rows}.")
    return ACCEPTED


def standing_out_risks(policy: OwnerPolicy, inspection: Inspection, *, validates: bool) -> tuple[str, ...]:
    """Reasons for which a person has to decide about a table, in words; () where nothing is in the way.

    `validates`: whether the training and the validation part are shown apart, and so count for themselves.
    """
    if policy.standing_out == "unchecked":
        return ()
    return _risks(policy, inspection, inspection.parts if validates else inspection.parts[:1])


def _risks(policy: OwnerPolicy, inspection: Inspection, parts: Sequence[InspectedPart]) -> tuple[str, ...]:
    found = []
    for part in parts:
        if part is not inspection.whole:
            found.append(_small_cells(policy, part))
        found.append(_high_leverage(policy, inspection, part))
    return tuple(risk for risk in found if risk is not None)


def table_findings(policy: OwnerPolicy, inspection: Inspection) -> tuple[str, ...]:
    """Say what will become of jobs on a table, and what to change, before any comes; () where nothing is in the way."""
    verdict = judge_table(policy, inspection)
    declined = []
    if verdict.outcome is Ruling.DECLINE:
        declined = [f"Every job without privacy will be declined. {verdict.detail}"]
    always = _risks(policy, inspection, inspection.parts[:1])
    # A cell that is small in all rows is so in a part: that is said once.
    by_part = () if declined else _risks(policy, inspection, inspection.parts)[len(always) :]
    when = "will wait" if policy.standing_out == "by_hand" else "will, once a Model Owner is pinned, wait"
    return (
        *declined,
        *(f"Every job without privacy {when} for a person. {risk}" for risk in always),
        *(f"A job that holds rows out for validation {when} for a person. {risk}" for risk in by_part),
    )


def _small_cells(policy: OwnerPolicy, part: InspectedPart) -> str | None:
    small = [cell for cell in part.cells if cell.rows < policy.min_cell]
    if part.rows < policy.min_cell:
        # Whether so few are enough at all is min_rows' matter: all but one of them are no cell.
        small = [cell for cell in small if cell.kind != "common"]
    small.sort(key=lambda cell: cell.label)
    if not small:
        return None
    listed = ", ".join(f"{cell.label}: {cell.rows}" for cell in small[:MOST_SHOWN])
    more = f", and {len(small) - MOST_SHOWN} more" if len(small) > MOST_SHOWN else ""
    advice = "; ".join(dict.fromkeys(_CELL_ADVICE[cell.kind] for cell in small))
    return (
        f"Fewer rows than min_cell ({policy.min_cell}) are in these cells of {_PART_NAMES[part.name]}: {listed}{more}. "
        f"To mend it: {advice}. Or leave the column out of the schema, or lower min_cell."
    )


def _high_leverage(policy: OwnerPolicy, inspection: Inspection, part: InspectedPart) -> str | None:
    high = part.high_leverage
    if high.rows == 0:
        return None
    shown = ", ".join(f"{column} ({rows})" for column, rows in list(high.columns.items())[:MOST_SHOWN])
    more = f", and {len(high.columns) - MOST_SHOWN} more" if len(high.columns) > MOST_SHOWN else ""
    columns = f" Columns by the rows they set apart: {shown}{more}." if shown else ""
    have = "has" if high.rows == 1 else "have"
    small = part.rows < 2 * inspection.dimensions
    average = min(1.0, inspection.dimensions / part.rows)
    why = f" {part.rows} rows are few for {inspection.dimensions} encoded columns: a row has {average:.2f} on average."
    return (
        f"{high.rows} of {part.rows} rows in {_PART_NAMES[part.name]} {have} a leverage above max_leverage "
        f"({policy.max_leverage:g}; the largest is {high.largest:.6f}): a sum over some combination of columns can be "
        f"almost such a row alone.{columns}{why if small else ''} To mend it: leave out or merge columns that few rows "
        "use, look for a typing error in one of these columns, or raise max_leverage."
    )


def _decline(code: Code, detail: str) -> Verdict:
    return Verdict(Ruling.DECLINE, code, detail)
