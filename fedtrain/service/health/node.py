"""Checks of a running node: those of `fedtrain doctor` that look at what is running, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from fedtrain.protocol.states import Role
from fedtrain.service.health.certificates import check_certificates
from fedtrain.service.health.finding import Finding, fail, ok
from fedtrain.service.health.folder import check_folder
from fedtrain.service.health.machine import check_machine
from fedtrain.service.health.trust import check_trust
from fedtrain.service.runtime.settings import ServiceSettings

#: More findings of a party: its datasets, its Facilitator.
OwnChecks = Callable[[], Iterator[Finding]]


def check_node(
    settings: ServiceSettings, role: Role, now: Callable[[], datetime], own: OwnChecks = lambda: iter(())
) -> Iterator[Finding]:
    """Yield what every check finds, `own` last. It reads files, and blocks."""
    yield from check_machine(settings, {})
    yield from check_folder(settings)
    yield from check_certificates(settings, now())
    yield from check_trust(settings, role, now())
    yield from own()


def check_store(readiness: Mapping[str, str]) -> Iterator[Finding]:
    """Find what `/readyz` says of the store."""
    state = readiness.get("store")
    if state == "ok":
        yield ok("store", "it can be read")
    elif state is not None:
        yield fail("store", state, "see the log of this service, and `fedtrain doctor`: it tries again by itself")
