"""What this owner's people allow, and the judgement of a job against it. Pure: nothing is read, nothing kept."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError

from data_owner.encoding import DatasetFacts, differences
from protocol.documents import Acceptance, Manifest, Name, PartyId, SignedDocument
from protocol.problems import Code, Problem
from protocol.spec import ModelSpec, Strict
from protocol.trust import Trust

DEFAULT_DATASET = "default"
LEAST_ROSTER = 3  # with two owners, one colluder knows the other's part
LEAST_CELL_ROWS = 10


class Outcome(StrEnum):
    ACCEPT = "accept"
    DECLINE = "decline"
    ASK = "ask"


@dataclass(frozen=True)
class Verdict:
    """What becomes of a job. Others are told `code` alone; `detail` is for this owner's own people."""

    outcome: Outcome
    code: Code | None = None
    detail: str = ""


ACCEPTED = Verdict(Outcome.ACCEPT)


class DatasetOffer(Strict):
    """A dataset offered: to every trusted Model Owner, or only to those that are named."""

    name: Name
    model_owners: tuple[PartyId, ...] | None = None


class OwnerPolicy(Strict):
    """The owner's policy, as its TOML file has it; the defaults are the strict ones.

    `datasets`: those on offer (None: every one that is registered). `min_cell`: no category and no clipped tail may
    hold 1 to min_cell − 1 rows (0 switches the check off). `differencing`: what could be subtracted from an earlier sum
    waits for a person, or is not looked at. `least_roster` counts owners, this one included; once data
    owners are pinned, only pinned ones. `adopt_first_encoding`: a dataset without a schema takes the first job's.
    """

    trust: Trust = Trust()
    any_model_owner: bool = False
    datasets: tuple[DatasetOffer, ...] | None = None
    least_roster: Annotated[int, Field(ge=1, le=10_000)] = LEAST_ROSTER
    min_rows: Annotated[int, Field(ge=1)] = LEAST_CELL_ROWS
    min_cell: Annotated[int, Field(ge=0)] = LEAST_CELL_ROWS
    weights: tuple[Literal["encrypted", "shared_with_owners"], ...] = ("encrypted",)
    max_reencrypt_every: Annotated[int, Field(ge=1)] = 100
    max_rounds: Annotated[int, Field(ge=1)] = 100_000
    approval: Literal["automatic", "by_hand"] = "automatic"
    adopt_first_encoding: bool = False
    differencing: Literal["by_hand", "unchecked"] = "by_hand"

    @classmethod
    def for_loopback(cls, least_roster: int = LEAST_ROSTER) -> Self:
        """The policy of a service that only its own machine reaches: any Model Owner, any rows, any rosters."""
        return cls(
            any_model_owner=True,
            adopt_first_encoding=True,
            min_rows=1,
            least_roster=least_roster,
            differencing="unchecked",
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
        """Return this policy with further pins. Once any of them could name a Model Owner, an open policy is closed:
        who pins means to refuse the others, and to have sums compared."""
        together = self.trust.and_also(trust)
        if not (self.any_model_owner and together.pins_model_owners):
            return self.model_copy(update={"trust": together})
        return self.model_copy(update={"trust": together, "any_model_owner": False, "differencing": "by_hand"})

    def doubt(self, model_owner: str, membership: SignedDocument | None, now: datetime) -> str | None:
        """Why a Model Owner is not trusted, for this owner's own people; None when it is.

        `membership`: what it carries. Raises Problem(BAD_SIGNATURE) for a bad voucher among the pins.
        """
        return None if self.any_model_owner else self.trust.doubt(model_owner, "model-owner", membership, now)

    def offers(self, dataset: str, model_owner: str) -> bool:
        """Whether that dataset is on offer to that Model Owner."""
        if self.datasets is None:
            return True
        offer = next((item for item in self.datasets if item.name == dataset), None)
        return offer is not None and (offer.model_owners is None or model_owner in offer.model_owners)

    def counted_on_roster(self, acceptances: Sequence[Acceptance], own: str, now: datetime) -> int:
        """How many of the roster's owners count towards `least_roster`.

        All of them; once there are pins, those that are pinned or that a pinned consortium vouches for.
        """
        if not self.trust.pins_data_owners:
            return len(acceptances)
        return sum(
            1
            for one in acceptances
            if one.party == own or self.trust.doubt(one.party, "data-owner", one.membership, now) is None
        )


def judge(policy: OwnerPolicy, manifest: Manifest, rounds: int, dataset: DatasetFacts | None, now: datetime) -> Verdict:
    """Hold a verified manifest against the policy, before any record is read.

    `rounds`: the most rounds the job can take, by its plan. `dataset`: what it asks for, None where there is none.
    """
    spec = manifest.spec
    asked = spec.dataset or DEFAULT_DATASET
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
        return Verdict(Outcome.ASK, detail="The policy wants every job approved by hand.")
    if dataset.schema is None and not policy.adopt_first_encoding:
        return Verdict(
            Outcome.ASK,
            detail=f"Dataset {dataset.name!r} has no schema: approving the job adopts its encoding for good.",
        )
    return ACCEPTED


def _refused_terms(policy: OwnerPolicy, spec: ModelSpec, rounds: int) -> str | None:
    training = spec.training
    if training.weights not in policy.weights:
        return f"weights {training.weights!r} is not among {list(policy.weights)}"
    if training.reencrypt_every > policy.max_reencrypt_every:
        return f"reencrypt_every {training.reencrypt_every} is above {policy.max_reencrypt_every}"
    if rounds > policy.max_rounds:
        return f"{rounds} rounds are more than {policy.max_rounds}"
    if training.min_data_owners < policy.least_roster:
        return (
            f"min_data_owners {training.min_data_owners} allows a roster below this owner's least, "
            f"{policy.least_roster}"
        )
    return None


def judge_rows(policy: OwnerPolicy, spec: ModelSpec, rows: int, cells: Mapping[str, int]) -> Verdict:
    """Hold what the table turned out to hold against policy and plan.

    `cells`: rows by category and by clipped tail, under a label such as "colour=red" or "age below its range".
    """
    if rows > spec.training.max_rows:
        return _decline(
            Code.DOES_NOT_FIT, f"{rows} rows are in use, the job's plan covers {spec.training.max_rows} an owner."
        )
    return judge_counts(policy, rows, cells)


def judge_counts(policy: OwnerPolicy, rows: int, cells: Mapping[str, int]) -> Verdict:
    """Hold counts of a table's rows against policy alone; `cells` as for `judge_rows`."""
    if rows < policy.min_rows:
        return _decline(Code.TOO_FEW_ROWS, f"{rows} rows are in use, the policy's min_rows is {policy.min_rows}.")
    small = {label: count for label, count in cells.items() if 0 < count < policy.min_cell}
    if small:
        listed = ", ".join(f"{label}: {count}" for label, count in sorted(small.items()))
        return _decline(
            Code.TOO_FEW_ROWS,
            f"Fewer rows than min_cell ({policy.min_cell}) are in these cells: {listed}. Merge categories, widen the "
            "declared range, or lower min_cell.",
        )
    return ACCEPTED


def _decline(code: Code, detail: str) -> Verdict:
    return Verdict(Outcome.DECLINE, code, detail)
