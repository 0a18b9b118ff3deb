"""The shared half of a method: what all parties agree on before a job starts."""

from __future__ import annotations

from typing import Protocol

from fedtrain.methods.plan import Plan
from fedtrain.methods.schedule import Schedule
from fedtrain.spec.model_spec import ModelSpec


class Method(Protocol):
    """One method, for the model types that the registry gives it. Pure: a spec is the same job at every party."""

    def plan(self, spec: ModelSpec) -> Plan:
        """Return the rounds of a job with their worst cases, proven to fit its key.

        Raises DoesNotFit, with every single change that would be enough, and Problem(INVALID_SPEC) where the spec has
        what the method does not take, or leaves open what it needs.
        """
        ...

    def schedule(self, spec: ModelSpec) -> Schedule:
        """Return the order of the job's rounds."""
        ...
