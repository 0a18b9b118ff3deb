"""A Data Owner's policy: which file says it, and that it can be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedtrain.service.health.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from fedtrain.data_owner.settings import DataOwnerSettings

_CHECK = "policy"


def check_policy(settings: DataOwnerSettings) -> Iterator[Finding]:
    """One finding about the policy that the service would start with."""
    from fedtrain.spec.problems import Problem

    try:
        settings.policy()
    except Problem as problem:
        yield fail(_CHECK, problem.detail, "correct it; `fedtrain policy check FILE` names every mistake")
        return
    told = settings.policy_told()
    if settings.policy_passed_over is not None:
        yield warn(_CHECK, told, "take one of the two away, or name the one that holds by `policy_file`")
    else:
        yield ok(_CHECK, told)
