"""GET /budget: what the records of each dataset have spent of their privacy, and what is left."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from fedtrain.data_owner.policy.budget import PrivacyPolicy
from fedtrain.data_owner.routes.parts import OwnerParts, Parts
from fedtrain.data_owner.store.records import Dataset
from fedtrain.privacy.cost import total
from fedtrain.service.people.permissions import Permission
from fedtrain.service.web.caller import needs

router = APIRouter(tags=["budget"])


class ReleaseView(BaseModel):
    """A release that was told, once for all jobs within it. `job_id`: the first of them."""

    release: str
    job_id: str
    epsilon: float
    delta: float
    booked_at: str


class DatasetBudget(BaseModel):
    """A dataset on offer. All ε are at `delta`, the budget's, or where there is none the largest that was claimed.

    `exact`: sums of some of its rows were told without noise, so that there is no ε for them. `reserved`: jobs that
    have joined and were told nothing yet. `epsilon_left`: of one more release; None without a budget.
    """

    dataset: str
    version: str
    delta: float | None
    epsilon_spent: float
    epsilon_left: float | None
    exact: bool
    reserved: int
    releases: list[ReleaseView]


_EXAMPLE: dict[str, Any] = {
    "epsilon": 3.0,
    "delta": 1e-6,
    "per_job": 1.0,
    "at_end": "refuse",
    "forgotten": 0,
    "datasets": [
        {
            "dataset": "default",
            "version": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "delta": 1e-6,
            "epsilon_spent": 1.0,
            "epsilon_left": 2.79,
            "exact": False,
            "reserved": 0,
            "releases": [
                {
                    "release": "3b" * 32,
                    "job_id": "0f2d7c1a9b3e4d5f8a6b7c8d9e0f1a2b",
                    "epsilon": 1.0,
                    "delta": 1e-6,
                    "booked_at": "2026-01-31T09:30:07.000Z",
                }
            ],
        }
    ],
}


class Budget(BaseModel):
    """The policy's budget of each record, and each dataset's account.

    `forgotten`: releases that were told and that the store, an older copy, does not know; they count all the same.
    """

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    epsilon: float | None
    delta: float | None
    per_job: float | None
    at_end: str
    forgotten: int
    datasets: list[DatasetBudget]


@router.get(
    "/budget",
    dependencies=[needs(Permission.LOOK)],
    summary="What each dataset's records have spent of their privacy, and what is left",
)
async def get_budget(parts: Parts) -> Budget:
    return await asyncio.to_thread(_budget, parts)


def _budget(parts: OwnerParts) -> Budget:
    policy, offered = parts.jobs.policy.privacy, parts.store.datasets()
    datasets = [_dataset(parts, policy, dataset) for dataset in offered]
    return Budget(
        epsilon=policy.epsilon,
        delta=policy.delta,
        per_job=policy.per_job,
        at_end=policy.at_end,
        forgotten=parts.spendings.forgotten(),
        datasets=datasets,
    )


def _dataset(parts: OwnerParts, policy: PrivacyPolicy, dataset: Dataset) -> DatasetBudget:
    account = parts.spendings.of_dataset(dataset.name, dataset.version, policy)
    costs, budget = account.costs(), policy.budget
    delta = policy.delta or max((one.delta for one in account.entries), default=None)
    return DatasetBudget(
        dataset=dataset.name,
        version=dataset.version,
        delta=delta,
        epsilon_spent=0.0 if delta is None else total(costs).epsilon(delta),
        epsilon_left=None if budget is None else 0.0 if account.exact else budget.epsilon_left(costs),
        exact=account.exact,
        reserved=len(account.reserved),
        releases=[
            ReleaseView(release=name, job_id=one.job_id, epsilon=one.epsilon, delta=one.delta, booked_at=one.spent_at)
            for name, one in account.booked.items()
        ],
    )
