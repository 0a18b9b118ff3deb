"""Outcome of one message in a job, the same at every party."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

StateT = TypeVar("StateT")
EffectT = TypeVar("EffectT")


class Outcome(NamedTuple, Generic[StateT, EffectT]):
    """A job's state after a message, and what to do about it, in this order.

    Every party's `round.step` returns it: (context, state, message, now) → Outcome.
    """

    state: StateT
    effects: tuple[EffectT, ...] = ()
