"""POST /plans: the plan that the job would have, without a job; and what a spec is refused for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.harness.served_federation import SPEC
from tests.harness.three_services import Route, ServedParty, three_services

pytestmark = pytest.mark.anyio
PLANS, MODELS = Route("POST", "/plans"), Route("POST", "/models")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def model_owner(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedParty]:
    async with three_services(tmp_path_factory.mktemp("three")) as running:
        yield running["model-owner"]


async def test_a_plan_is_the_one_that_the_job_has_and_starts_none(model_owner: ServedParty) -> None:
    planned = await model_owner.ask(PLANS, "admin", json=SPEC)
    assert planned.status_code == 200
    assert (await model_owner.ask(Route("GET", "/models"), "read")).json() == []
    started: dict[str, Any] = (await model_owner.ask(MODELS, "admin", json=SPEC)).json()
    assert planned.json() == started["plan"]


async def test_a_spec_that_is_wrong_or_does_not_fit_is_refused_as_it_would_be_deployed(
    model_owner: ServedParty,
) -> None:
    wrong = {**SPEC, "training": {**SPEC["training"], "roundz": 3}}
    wide = {**SPEC, "training": {**SPEC["training"], "reencrypt_every": 500, "optimizer": "gradient_descent"}}
    for spec, slug in ((wrong, "invalid-spec"), (wide, "does-not-fit")):
        refused = await model_owner.ask(PLANS, "admin", json=spec)
        assert refused.json()["type"] == f"/problems/{slug}"
        assert refused.json() == (await model_owner.ask(MODELS, "admin", json=spec)).json()


async def test_a_token_that_may_only_look_plans_nothing(model_owner: ServedParty) -> None:
    """A plan measures the machine once, and takes its processor."""
    assert (await model_owner.ask(PLANS, "read", json=SPEC)).status_code == 403
