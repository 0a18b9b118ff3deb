"""The engines that are measured, each on the calling thread."""

from __future__ import annotations

from collections.abc import Mapping

from fedtrain.crypto import Engine, LocalEngine
from fedtrain.crypto.engine.native.engine import NativeEngine, why_not

GMPY2, NATIVE = "gmpy2", "native"


def engines() -> Mapping[str, Engine]:
    """Return what there is by name, first the one that a service takes here."""
    gmpy2: dict[str, Engine] = {GMPY2: LocalEngine()}
    return gmpy2 if why_not() is not None else {NATIVE: NativeEngine(), **gmpy2}


def engine_here() -> Engine:
    """Return the one that a service takes here."""
    return next(iter(engines().values()))


def name_here() -> str:
    return next(iter(engines()))
