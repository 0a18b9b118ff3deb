"""Checks of this machine and this installation."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import version

from fedtrain.crypto.engine.native.engine import why_not
from fedtrain.protocol.loopback import is_loopback
from fedtrain.protocol.version import PROTOCOL_VERSION
from fedtrain.service.health.finding import Finding, fail, ok, warn
from fedtrain.service.runtime.engines import TIMES_FASTER
from fedtrain.service.runtime.settings import ServiceSettings


def check_machine(
    settings: ServiceSettings, unknown: Mapping[str, str | None], cores: int | None = None
) -> Iterator[Finding]:
    """Versions, gmpy2, workers, small keys, and variables that nobody reads.

    `unknown`: those, with the ones that are meant, most likely. `cores`: of this machine, by default what it says.
    """
    yield ok("version", f"federated-trainer {version('federated-trainer')}, protocol {PROTOCOL_VERSION}")
    yield _gmpy2()
    yield _kernel(settings.engine)
    yield _workers(settings.workers, cores or os.cpu_count() or 1)
    yield _small_keys(settings)
    for variable, meant in unknown.items():
        remedy = (
            f"if {meant} is meant, correct it" if meant else "take it away; `fedtrain config show` has those that are"
        )
        yield warn("environment", f"{variable} is in the environment and is no setting", remedy)


def _gmpy2() -> Finding:
    try:
        return ok("gmpy2", f"gmpy2 {import_module('gmpy2').version()}")
    except ImportError:
        return fail("gmpy2", "gmpy2 cannot be imported, and all arithmetic is done with it", "pip install gmpy2")


def _kernel(choice: str) -> Finding:
    reason = why_not()
    if reason is not None:
        remedy = "install a C compiler and install the project again, or take a processor with AVX-512 IFMA"
        return warn("kernel", f"encrypted arithmetic takes {TIMES_FASTER} as long as by the kernel: {reason}", remedy)
    if choice == "gmpy2":
        remedy = "take FEDTRAIN_ENGINE away: the compiled kernel is then used"
        return warn("kernel", f"encrypted arithmetic by gmpy2, which takes {TIMES_FASTER} as long", remedy)
    return ok("kernel", "encrypted arithmetic by the compiled kernel")


def _workers(workers: int, cores: int) -> Finding:
    found = f"{workers} workers on {cores} cores" if workers > 1 else f"no workers on {cores} cores"
    if workers > cores:
        return warn("workers", found, f"FEDTRAIN_WORKERS={cores}: more of them only wait for one another")
    if workers == 1 and cores > 1:
        return warn("workers", found, "take FEDTRAIN_WORKERS away: large arithmetic then uses every core")
    return ok("workers", found)


def _small_keys(settings: ServiceSettings) -> Finding:
    if not settings.allow_small_keys:
        return ok("small keys", "keys under 2048 bits are refused")
    found, remedy = "keys under 2048 bits are taken, and protect nothing", "take FEDTRAIN_ALLOW_SMALL_KEYS away"
    return (warn if is_loopback(settings.host) else fail)("small keys", found, remedy)
