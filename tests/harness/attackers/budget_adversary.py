"""An adversary for the planner: all parties' arithmetic on plaintexts, exactly, with data at every bound's edge.

Values travel packed, modulo the least modulus of the planned size, just as they do under encryption; what is
decoded is held against the planned bound and against the same arithmetic done without any modulus.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice

import numpy as np

from fedtrain.crypto.errors import CryptoError
from fedtrain.crypto.packing.slots import SlotLayout, pack, unpack
from fedtrain.methods.regression.budget import Budget, plan
from fedtrain.methods.regression.inputs import BudgetInputs, update_scalars
from fedtrain.methods.regression.worst_case.windowing import WindowStep, window_steps

Integers = np.ndarray


class BoundExceeded(AssertionError):  # noqa: N818 - named for what happened
    """Honest data within the declared ranges went beyond a bound that the plan had promised."""


@dataclass(frozen=True)
class Owners:
    """`count` owners that each hold `rows` copies of one record. `features` end with the intercept's 1."""

    count: int
    rows: int
    features: tuple[Fraction, ...]
    target: Fraction

    def matrix(self, inputs: BudgetInputs) -> Integers:
        """A at f_A: c·XᵀX rounded half to even."""
        scale = inputs.slope * self.rows * (1 << inputs.moment_fraction_bits)
        return _integers([[round(scale * x * z) for z in self.features] for x in self.features])

    def b(self, inputs: BudgetInputs, fraction_bits: int) -> Integers:
        scale = self.rows * self.target * (1 << fraction_bits)
        return _integers([[round(scale * x)] * inputs.outputs for x in self.features])


def example_inputs(**changes: object) -> BudgetInputs:
    """A small job, two columns, that every test changes where it needs to."""
    fields: dict[str, object] = {
        "modulus_bits": 1024,
        "outputs": 1,
        "feature_bounds": (Fraction(1), Fraction(1)),
        "target_bound": Fraction(2),
        "slope": Fraction(1),
        "max_rows": 1000,
        "max_owners": 5,
        "weight_bound": Fraction(1024),
        "optimizer": "gradient_descent",
        "learning_rate": None,
        "l2": Fraction(0),
        "momentum": Fraction(9, 10),
        "reencrypt_every": 1,
    }
    fields.update(changes)
    fields.setdefault("dimensions", len(fields["feature_bounds"]))  # type: ignore[arg-type]
    return BudgetInputs(**fields)  # type: ignore[arg-type]


class Play:
    """One federation in one job. `largest` keeps, for each bound by name and step, the magnitude reached."""

    def __init__(self, budget: Budget, owners: Sequence[Owners], rows_total: int | None = None) -> None:
        self.budget, self.inputs, self.owners = budget, budget.inputs, owners
        self.rows_total = rows_total or sum(group.count * group.rows for group in owners)
        self.n = (1 << (self.inputs.modulus_bits - 1)) + 1
        self.matrices = [group.matrix(self.inputs) for group in owners]
        self.largest: dict[tuple[str, int], int] = {}
        for matrix in self.matrices:
            self._hold("moment", 0, matrix, budget.moment_bound)
            for row, bound in zip(matrix, budget.matrix_row_bounds, strict=True):
                self._hold("matrix_row", 0, np.array([sum(abs(v) for v in row)], dtype=object), bound)

    def answer(self, step: int, weights: Integers) -> Integers:
        """Σ (A_i·w − b_i) through packed residues; every owner's own answer is held against its bound too."""
        layout, answer_layout = self.budget.weights_layout, self.budget.answer_layout
        planned = self.budget.steps[step]
        packed = _array(self._pack(weights, layout), layout)
        total: Integers | int = 0
        exact: Integers | int = 0
        for group, matrix in zip(self.owners, self.matrices, strict=True):
            b = group.b(self.inputs, planned.answer_fraction_bits)
            self._hold("b", step, b, planned.b_bound)
            residues = matrix @ packed - _array(self._pack(b, layout), layout)
            residues = _pack_rows(residues, answer_layout) if answer_layout != layout else residues
            own = matrix @ weights - b
            self._decode("owner", step, residues, answer_layout, planned.owner_bound, own)
            total, exact = total + group.count * residues, exact + group.count * own
        bound = self.budget.sum_bound_for(step, self.rows_total)
        self._decode("sum", step, total, answer_layout, min(bound, planned.sum_bound), exact)
        return exact

    def update(self, step: int, weights: Integers, before: Integers, *, check_next: bool = True) -> Integers:
        """One update of a window, with every partial sum held against the peak."""
        layout, planned = self.budget.weights_layout, self.budget.steps[step]
        scalars = update_scalars(self.inputs, self.rows_total, step)
        own = np.array([[scalars.weights]] * (len(weights) - 1) + [[scalars.intercept]], dtype=object)
        gradient = self.answer(step, weights)
        exact: Integers | int = 0
        residues: Integers | int = 0
        for factor, values in ((own, weights), (-scalars.gradient, gradient), (-scalars.previous, before)):
            exact = exact + factor * values
            # One row of the factor for one row of ciphertexts: packing goes across columns only.
            residues = residues + factor * _array(self._pack(values, layout), layout)
            self._decode("peak", step, residues, layout, planned.peak_bound, exact)
            self._hold("peak", step, factor * values, planned.peak_bound)
        if check_next:
            bound = self.budget.weight_bound_after(step + 1)
            self._decode("weight", step + 1, residues, layout, bound, exact)
        return exact

    def window(self, weights: Integers, before: Integers) -> None:
        """All updates from freshly encrypted weights on; in a plain job, one round."""
        if len(self.budget.steps) == 1:
            self.answer(0, weights)
            return
        for step in range(len(self.budget.steps)):
            weights, before = self.update(step, weights, before), weights

    def _pack(self, values: Integers, layout: SlotLayout) -> list[int]:
        try:
            return pack(values, layout)
        except CryptoError as error:
            raise BoundExceeded(f"a value does not fit its slot: {error}") from error

    def _decode(
        self, name: str, step: int, residues: Integers, layout: SlotLayout, bound: int, exact: Integers
    ) -> None:
        self._hold(name, step, exact, bound)
        try:
            decoded = unpack([int(residue) % self.n for residue in residues.ravel()], layout, self.n, bound)
        except CryptoError as error:
            raise BoundExceeded(f"{name} of step {step}: {error}") from error
        if not (decoded == exact).all():
            raise BoundExceeded(f"{name} of step {step} wrapped around unseen")

    def _hold(self, name: str, step: int, values: Integers, bound: int) -> None:
        reached = max(abs(int(v)) for v in values.ravel())
        self.largest[name, step] = max(reached, self.largest.get((name, step), 0))
        if reached > bound:
            raise BoundExceeded(f"{name} of step {step}: {reached.bit_length()} bits, {bound.bit_length()} planned")


def attack(inputs: BudgetInputs) -> dict[tuple[str, int], int]:
    """Everything that this adversary can think of. The largest magnitudes reached; raises BoundExceeded."""
    budget = plan(inputs)
    largest: dict[tuple[str, int], int] = {}
    for owners in federations(inputs):
        play = Play(budget, owners)
        for weights, before in starts(inputs):
            play.window(weights, before)
        if len(budget.steps) > 1:
            for step, state in enumerate(islice(window_steps(inputs), 1, len(budget.steps)), start=1):
                for weights, before in states(inputs, step, state):
                    # Where w_t and w_{t−1} both at their bounds lead, no window need ever go.
                    play.update(step, weights, before, check_next=inputs.heavy_ball == 0)
        for key, value in play.largest.items():
            largest[key] = max(value, largest.get(key, 0))
    return largest


def federations(inputs: BudgetInputs) -> Iterator[list[Owners]]:
    """Most owners and rows; one owner of one row; most owners but one with empty features."""
    d, M, R, y = inputs.dimensions, inputs.max_owners, inputs.max_rows, inputs.target_bound
    patterns = {(1,) * d, (*((-1) ** j for j in range(d - 1)), 1), (*(0,) * (d - 1), 1)}
    for pattern in sorted(patterns):
        features = tuple(sign * x for sign, x in zip(pattern, inputs.feature_bounds, strict=True))
        for target in (y, -y):
            yield [Owners(M, R, features, target)]
            yield [Owners(1, 1, features, target)]
        if M > 1:
            empty = (*(Fraction(0),) * (d - 1), Fraction(1))
            yield [Owners(1, R, features, y), Owners(M - 1, R, empty, -y)]


def starts(inputs: BudgetInputs) -> Iterator[tuple[Integers, Integers]]:
    """Freshly encrypted (w_0, w_{−1}) at weight_bound."""
    largest = math.floor(inputs.weight_bound * (1 << inputs.weight_fraction_bits))
    for vector in _directions(inputs, largest, largest * inputs.dimensions):
        yield vector, -vector


def states(inputs: BudgetInputs, step: int, state: WindowStep) -> Iterator[tuple[Integers, Integers]]:
    """(w_t, w_{t−1}) in the middle of a window, at the bounds that the plan claims for them there."""
    weight = state.magnitude(state.weight, inputs.weights_fraction_bits_at(step))
    norm = state.magnitude(state.norm, inputs.weights_fraction_bits_at(step))
    previous = list(islice(window_steps(inputs), step))[-1]
    before = previous.magnitude(previous.weight, inputs.weights_fraction_bits_at(step - 1))
    for vector in _directions(inputs, weight, norm):
        opposite = _integers([[-before if v > 0 else before for v in row] for row in vector])
        yield vector, opposite


def _directions(inputs: BudgetInputs, largest: int, norm: int) -> Iterator[Integers]:
    """Sign patterns and single coordinates, as long as both bounds allow, in all columns alike."""
    d, k = inputs.dimensions, inputs.outputs
    each = min(largest, math.isqrt(norm * norm // d))
    patterns = [(1,) * d, (-1,) * d, tuple((-1) ** j for j in range(d)), tuple(-((-1) ** j) for j in range(d))]
    for pattern in patterns:
        yield _integers([[sign * each] * k for sign in pattern])
    # The widest column's weight as large as it may be, the others as large as the length then still allows.
    widest = inputs.feature_bounds.index(inputs.largest_feature)
    most = min(largest, norm)
    others = min(largest, math.isqrt((norm * norm - most * most) // max(1, d - 1)))
    for sign in (1, -1):
        yield _integers([[sign * (most if row == widest else others)] * k for row in range(d)])
    for index in {0, d - 1}:
        yield _integers([[min(largest, norm) if row == index else 0] * k for row in range(d)])


def halved_field(instance: object, name: str) -> object:
    """The dataclass with one number one bit smaller."""
    return replace(instance, **{name: getattr(instance, name) / 2})  # type: ignore[type-var]


def _pack_rows(residues: Integers, layout: SlotLayout) -> Integers:
    """Horner across rows, as owners do before they send."""
    shift = layout.slot_bits * layout.columns_per_ciphertext
    groups = []
    for start in range(0, layout.rows, layout.rows_per_ciphertext):
        accumulated = np.zeros(residues.shape[1], dtype=object)
        for row in reversed(residues[start : start + layout.rows_per_ciphertext]):
            accumulated = accumulated * (1 << shift) + row
        groups.append(accumulated)
    return np.array(groups, dtype=object)


def _array(plaintexts: list[int], layout: SlotLayout) -> Integers:
    return _integers([plaintexts]).reshape(layout.rows, layout.column_groups)


def _integers(rows: Sequence[Sequence[int]]) -> Integers:
    array = np.empty((len(rows), len(rows[0])), dtype=object)
    for i, row in enumerate(rows):
        array[i, :] = list(row)
    return array
