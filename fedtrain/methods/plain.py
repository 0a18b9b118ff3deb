"""Plans of methods whose owners answer with numbers of their own, that add up row by row: counts, sums, histograms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from fedtrain.crypto import SlotLayout
from fedtrain.methods.plan import Answer, Arrays, DoesNotFit, NotPlanned, Plan, Round, numbers_in
from fedtrain.methods.schedule import COUNTS
from fedtrain.spec.model_spec import ModelSpec, Training
from fedtrain.spec.problems import Code, Problem

_LARGEST_KEY_BITS = 16384
_KEY_STEP_BITS = 1024


@dataclass(frozen=True)
class PlainAnswer:
    """The numbers of one kind of round, at 2^−fraction_bits.

    `row_bound`: the largest magnitude that one row adds to any of them, once rounded to that scale.
    """

    arrays: Arrays
    row_bound: Fraction
    fraction_bits: int = 0

    def bound(self, rows: int) -> int:
        """Return the largest magnitude of a number over so many rows, as an integer at the scale."""
        return math.ceil(rows * self.row_bound * (1 << self.fraction_bits))


#: What every method takes of a spec's `training`: who takes part, how long is waited, and the key.
TAKEN = frozenset(
    {
        "min_data_owners",
        "max_data_owners",
        "max_rows",
        "key_bits",
        "scaling",
        "on_dropout",
        "quorum",
        "void_rounds",
        "join_timeout_s",
        "round_timeout_s",
    }
)
#: Round 0 of every plain method: how many rows there are.
ROWS = PlainAnswer({"rows": (1,)}, Fraction(1))


@dataclass(frozen=True)
class PlainPlan(Plan):
    """`answers`: by kind, after the counts. An answer is one column of its arrays' numbers, packed.

    Raises DoesNotFit where the sum of all owners' rows does not fit a slot.
    """

    key_bits: int
    max_rows: int
    max_owners: int
    answers: Mapping[str, PlainAnswer]

    @classmethod
    def of(cls, spec: ModelSpec, answers: Mapping[str, PlainAnswer]) -> PlainPlan:
        """Return the plan of a job with the spec's key, rows and owners.

        Raises Problem(INVALID_SPEC) where `training` has what no plain method takes.
        """
        check_takes(spec, TAKEN)
        training = spec.training
        return cls(training.key_bits, training.max_rows, training.max_data_owners, {COUNTS: ROWS, **answers})

    def __post_init__(self) -> None:
        for kind, answer in self.answers.items():
            needed_bits = _slot_bits(answer.bound(self.max_rows_total))
            if needed_bits > self.bits_available:
                raise DoesNotFit(f"the {kind} answer", needed_bits, self.bits_available, self._fixes(answer))

    @property
    def modulus_bits(self) -> int:
        return self.key_bits

    @property
    def max_rows_total(self) -> int:
        return self.max_rows * self.max_owners

    @property
    def bits_available(self) -> int:
        """The bits of a plaintext that slots may fill, signs included."""
        return self.key_bits - 2

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(self.answers)

    @cached_property
    def numbers_in_all(self) -> int | None:
        return sum(numbers_in(answer.arrays) for kind, answer in self.answers.items() if kind != COUNTS)

    def round(self, kind: str, window_step: int = 0, rows_total: int | None = None) -> Round:
        if kind not in self.answers or window_step:
            raise NotPlanned(f"This job's plan has no {kind} round at step {window_step} of a window.")
        if rows_total is not None and not 1 <= rows_total <= self.max_rows_total:
            raise ValueError(f"rows_total must be 1 to {self.max_rows_total}, received {rows_total}")
        answer = self.answers[kind]
        numbers = numbers_in(answer.arrays)
        most = answer.bound(self.max_rows_total)
        return Round(
            kind,
            Answer(
                answer.arrays,
                SlotLayout.packed(numbers, 1, _slot_bits(most), self.key_bits),
                answer.fraction_bits,
                answer.bound(self.max_rows),
                most if rows_total is None else answer.bound(rows_total),
            ),
            revealed=0 if kind == COUNTS else numbers,
        )

    def to_dict(self) -> dict[str, object]:
        return {
            "modulus_bits": self.key_bits,
            "bits_available": self.bits_available,
            "rounds": [_shown(self.round(kind)) for kind in self.kinds],
        }

    def _fixes(self, answer: PlainAnswer) -> tuple[str, ...]:
        """The smallest changes of the key, and of the rows, that are enough alone."""
        key_bits = -(-(_slot_bits(answer.bound(self.max_rows_total)) + 2) // _KEY_STEP_BITS) * _KEY_STEP_BITS
        largest = (1 << (self.bits_available - 1)) - 1
        rows = math.floor(largest / (answer.row_bound * (1 << answer.fraction_bits))) // self.max_owners
        by_key = (f"key_bits {key_bits}",) if key_bits <= _LARGEST_KEY_BITS else ()
        return (*by_key, f"max_rows {rows:,} or fewer") if rows else by_key


def check_takes(spec: ModelSpec, taken: frozenset[str]) -> None:
    """Raise Problem(INVALID_SPEC) that names every field of `training` which the method does not take, and is set."""
    default = Training()
    errors = [
        {
            "field": f"training.{name}",
            "message": f"{spec.model_type} does not take it: leave it out.",
            "value": getattr(spec.training, name),
        }
        for name in Training.model_fields
        if name not in taken and getattr(spec.training, name) != getattr(default, name)
    ]
    if errors:
        fields = ", ".join(str(error["field"]) for error in errors)
        raise Problem(Code.INVALID_SPEC, f"{fields}: {spec.model_type} does not take it: leave it out.", errors=errors)


def _slot_bits(bound: int) -> int:
    # A balanced slot of s bits holds |v| < 2^(s − 1), and none is narrower than two.
    return max(2, bound.bit_length() + 1)


def _shown(planned: Round) -> dict[str, object]:
    answer = planned.answer
    return {
        "kind": planned.kind,
        "arrays": {name: list(shape) for name, shape in answer.arrays.items()},
        "layout": answer.layout.to_dict(),
        "fraction_bits": answer.fraction_bits,
        "owner_bits": answer.owner_bound.bit_length(),
        "sum_bits": answer.sum_bound.bit_length(),
        "bits_used": answer.layout.slot_bits,
    }
