"""The planner: from public numbers alone, the worst case of every encrypted value of a job, before it starts.

`plan` proves that nothing can wrap around, or refuses with the smallest changes that would make it fit. The
bounds hold for all data within the declared ranges, and some data attain them. Source: docs/arithmetic.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import islice

from fedtrain.crypto.errors import CryptoError
from fedtrain.crypto.packing.slots import SlotLayout
from fedtrain.planning import terms as terms
from fedtrain.planning.inputs import WINDOWED, BudgetInputs, UpdateScalars, learning_rate, update_scalars
from fedtrain.planning.sharing import loss_shift_bits, shared_entry, shared_layout, shared_sum
from fedtrain.planning.validating import ValidationBudget, validation_bits, validation_budget
from fedtrain.planning.windowing import WindowStep, window_steps

__all__ = [
    "Budget",
    "BudgetInputs",
    "DoesNotFit",
    "NewtonBudget",
    "StepBudget",
    "UpdateScalars",
    "ValidationBudget",
    "largest_window",
    "learning_rate",
    "needed_bits",
    "plan",
    "update_scalars",
]


class DoesNotFit(CryptoError):  # noqa: N818 - named for what happened, as the other errors of this package
    """The worst case needs more bits than the key gives. `fixes`: changes, each of which alone is enough."""

    def __init__(self, subject: str, needed_bits: int, available_bits: int, fixes: tuple[str, ...]) -> None:
        advice = "use " + ", or ".join(fixes) if fixes else "no change of a single field is enough: change several"
        super().__init__(f"{subject} needs {needed_bits:,} bits, the key gives {available_bits:,}: {advice}")
        self.subject = subject
        self.needed_bits = needed_bits
        self.available_bits = available_bits
        self.fixes = fixes

    def __reduce__(self) -> tuple[type[DoesNotFit], tuple[str, int, int, tuple[str, ...]]]:
        return type(self), (self.subject, self.needed_bits, self.available_bits, self.fixes)


@dataclass(frozen=True)
class StepBudget:
    """Worst cases at one step of a window (the only step where reencrypt_every is 1). Bounds are magnitudes.

    `weight_bound`: of w_t, at `weight_fraction_bits`. `owner_bound`: of one owner's A·w − b, at
    `answer_fraction_bits`; `sum_bound`: of all owners' together. `peak_bound`: of whatever the Facilitator
    computes from that, at weight_fraction_bits of the next step; in a plain round, the sum itself.
    `bits_used` of a slot, the sign included, of `bits_available` in a ciphertext.
    """

    step: int
    weight_fraction_bits: int
    answer_fraction_bits: int
    weight_bound: int
    b_bound: int
    owner_bound: int
    sum_bound: int
    peak_bound: int
    bits_used: int
    bits_available: int


@dataclass(frozen=True)
class NewtonBudget:
    """The one message of `newton`: the upper triangle of A row by row, then b row by row, as one column.

    Where owners validate, the same of their validation parts follows, and Σy² a target of those.
    """

    layout: SlotLayout
    fraction_bits: int
    owner_bound: int
    sum_bound: int


@dataclass(frozen=True)
class Budget:
    """What a job may send, in which slots, and how large it can get.

    `matrix_row_bounds`: Σ_j |A_ij| of one owner, row by row. `moment_bound`: of any entry of its A.
    `weights_layout` also holds w at a window's end, then at `final_weight_fraction_bits` and within
    `final_weight_bound`. `counts_layout`: one row of N and the k sums of squared targets.
    `step_fraction_bits`: what one encrypted update adds. `newton` is there for that optimiser only, `validation`
    where a validation loss is asked for; the counts then have those of the validation parts too. Where owners see the
    weights, the one step's bounds and `answer_layout` are those of the true gradient and the loss, one column.
    """

    inputs: BudgetInputs
    slot_bits: int
    weights_layout: SlotLayout
    answer_layout: SlotLayout
    counts_layout: SlotLayout
    counts_fraction_bits: int
    counts_owner_bound: int
    counts_sum_bound: int
    moment_bound: int
    matrix_row_bounds: tuple[int, ...]
    steps: tuple[StepBudget, ...]
    step_fraction_bits: int
    final_weight_fraction_bits: int
    final_weight_bound: int
    newton: NewtonBudget | None
    validation: ValidationBudget | None

    @property
    def bits_available(self) -> int:
        return available_bits(self.inputs)

    @property
    def shares_weights(self) -> bool:
        """Whether owners see the weights, so that requests carry them sealed and not encrypted."""
        return self.inputs.row_bounds is not None

    @property
    def loss_shift_bits(self) -> int:
        """e: the last entry of an answer is the loss times 2^−e. Raises ValueError where weights are encrypted."""
        return loss_shift_bits(self.inputs)

    @property
    def b_bound(self) -> tuple[int, ...]:
        """The largest |b_i| of one owner, step by step."""
        return tuple(step.b_bound for step in self.steps)

    def matrix_bound(self, row: int, column: int) -> int:
        """The largest |A_ij| of one owner; an owner whose own is larger has more rows than declared."""
        bounds = self.inputs.feature_bounds
        return terms.matrix_entry(self.inputs, bounds[row], bounds[column], self.inputs.moment_fraction_bits)

    def moment_bound_for(self, rows_total: int) -> int:
        """|A_ij| of one owner once N = rows_total is known, which no owner has more rows than. At most `moment_bound`.

        Of one row more than N: data are quantised before they are summed, and may end just beyond their range.
        """
        if rows_total < 1:
            raise ValueError(f"rows_total must be at least 1, received {rows_total}")
        largest = self.inputs.largest_feature
        bits = self.inputs.moment_fraction_bits
        return min(self.moment_bound, terms.matrix_entry(self.inputs, largest, largest, bits, rows_total + 1))

    def weight_bound_after(self, updates: int) -> int:
        """|w| after that many updates of a window, 0 to reencrypt_every: the last window may be shorter."""
        return self.final_weight_bound if updates == len(self.steps) else self.steps[updates].weight_bound

    def sum_bound_for(self, step: int, rows_total: int) -> int:
        """|Σ_i (A_i·w − b_i)| at `step`, once N = rows_total is known. At most the step's `sum_bound`.

        With it, gradient·sum_bound_for + weights·weight_bound + previous·(the bound of w_{t−1}) is within
        the step's `peak_bound`, for the scalars of `update_scalars(inputs, rows_total, step)`.
        """
        if not 1 <= rows_total <= self.inputs.max_rows_total:
            raise ValueError(f"rows_total must be 1 to {self.inputs.max_rows_total}, received {rows_total}")
        if self.shares_weights:
            return min(self.steps[step].sum_bound, shared_entry(self.inputs, rows_total))
        owners = min(rows_total, terms.owners_in_sum(self.inputs))
        window_step = next(islice(window_steps(self.inputs), step, None))
        return min(self.steps[step].sum_bound, _answer_bound(self.inputs, window_step, step, rows_total, owners))

    def to_dict(self) -> dict[str, object]:
        """For display: JSON types only. Bounds are given by their bits: a number of a thousand digits helps no one."""
        # Only where it is used: the plans of other jobs stay what they are for parties that do not know it.
        shared = {"loss_shift_bits": self.loss_shift_bits} if self.shares_weights else {}
        return {
            **shared,
            "modulus_bits": self.inputs.modulus_bits,
            "bits_available": self.bits_available,
            "slot_bits": self.slot_bits,
            "dimensions": self.inputs.dimensions,
            "outputs": self.inputs.outputs,
            "reencrypt_every": self.inputs.reencrypt_every,
            "moment_fraction_bits": self.inputs.moment_fraction_bits,
            "weight_fraction_bits": self.inputs.weight_fraction_bits,
            "step_fraction_bits": self.step_fraction_bits,
            "weights_layout": self.weights_layout.to_dict(),
            "answer_layout": self.answer_layout.to_dict(),
            "counts_layout": self.counts_layout.to_dict(),
            "validation_layout": None if self.validation is None else self.validation.weights_layout.to_dict(),
            "newton_layout": None if self.newton is None else self.newton.layout.to_dict(),
            "steps": [
                {
                    "step": step.step,
                    "weight_fraction_bits": step.weight_fraction_bits,
                    "answer_fraction_bits": step.answer_fraction_bits,
                    "weight_bits": step.weight_bound.bit_length(),
                    "owner_bits": step.owner_bound.bit_length(),
                    "sum_bits": step.sum_bound.bit_length(),
                    "peak_bits": step.peak_bound.bit_length(),
                    "bits_used": step.bits_used,
                    "bits_available": step.bits_available,
                }
                for step in self.steps
            ],
        }


def available_bits(inputs: BudgetInputs) -> int:
    """Bits of a plaintext that slots may fill, signs included: |n| − 2."""
    return inputs.modulus_bits - 2


def plan(inputs: BudgetInputs) -> Budget:
    """The budget of a job. Raises DoesNotFit with every single change that would be enough."""
    needed = needed_bits(inputs)
    if needed > available_bits(inputs):
        from fedtrain.planning.fixes import smallest_fixes  # it searches by planning, so it imports this module

        raise DoesNotFit(_subject(inputs), needed, available_bits(inputs), smallest_fixes(inputs))
    bounds = inputs.feature_bounds
    window = list(islice(window_steps(inputs), inputs.reencrypt_every + 1))
    steps = tuple(_step(inputs, window_step, index) for index, window_step in enumerate(window[:-1]))
    slot_bits = max(step.bits_used for step in steps)
    shape = (inputs.dimensions, inputs.outputs, slot_bits, inputs.modulus_bits)
    counts_owner = terms.counts_entry(inputs)
    counts_sum = terms.owners_in_sum(inputs) * counts_owner
    counts_bits = counts_sum.bit_length() + terms.sign_bits()
    counts_columns = (1 + inputs.outputs) * (2 if inputs.evaluates else 1)
    final_fraction_bits = inputs.weights_fraction_bits_at(inputs.reencrypt_every)
    largest = inputs.largest_feature
    return Budget(
        inputs=inputs,
        slot_bits=slot_bits,
        weights_layout=SlotLayout.row_by_row(*shape),
        answer_layout=_answer_layout(inputs, shape),
        counts_layout=SlotLayout.packed(1, counts_columns, counts_bits, inputs.modulus_bits),
        counts_fraction_bits=inputs.counts_fraction_bits,
        counts_owner_bound=counts_owner,
        counts_sum_bound=counts_sum,
        moment_bound=terms.matrix_entry(inputs, largest, largest, inputs.moment_fraction_bits),
        matrix_row_bounds=tuple(math.floor(terms.matrix_row_sum(inputs, x, inputs.max_rows, 1)) for x in bounds),
        steps=steps,
        step_fraction_bits=inputs.step_fraction_bits,
        final_weight_fraction_bits=final_fraction_bits,
        final_weight_bound=window[-1].magnitude(window[-1].weight, final_fraction_bits),
        newton=_newton(inputs) if inputs.optimizer == "newton" else None,
        validation=validation_budget(inputs) if inputs.evaluates else None,
    )


def _answer_layout(inputs: BudgetInputs, shape: tuple[int, int, int, int]) -> SlotLayout:
    if inputs.row_bounds is not None:
        return shared_layout(inputs, shape[2])
    # After updates under encryption the answers must meet the weights slot by slot.
    return SlotLayout.row_by_row(*shape) if inputs.reencrypt_every > 1 else SlotLayout.packed(*shape)


def needed_bits(inputs: BudgetInputs) -> int:
    """Bits of the widest slot that the job needs, the sign included."""
    others = [_newton_bits(inputs), _counts_bits(inputs), validation_bits(inputs)]
    if inputs.reencrypt_every == 1:
        return max(_step(inputs, next(window_steps(inputs)), 0).bits_used, *others)
    window = islice(window_steps(inputs), inputs.reencrypt_every)
    return max(*(_window_bits(inputs, step, index) for index, step in enumerate(window)), *others)


def fits(inputs: BudgetInputs) -> bool:
    """Whether `plan` would accept. Stops at the first step that does not fit."""
    available = available_bits(inputs)
    if needed_bits(replace(inputs, reencrypt_every=1)) > available:
        return False
    if inputs.reencrypt_every == 1:
        return True
    window = islice(window_steps(inputs), inputs.reencrypt_every)
    return all(_window_bits(inputs, step, index) <= available for index, step in enumerate(window))


def largest_window(inputs: BudgetInputs) -> int:
    """The largest reencrypt_every that fits this key; 1 where the optimiser takes no other, 0 where none fits."""
    if not fits(replace(inputs, reencrypt_every=1)):
        return 0
    if inputs.optimizer not in WINDOWED:
        return 1
    available = available_bits(inputs)
    updates = 0
    for index, step in enumerate(window_steps(inputs)):
        if _window_bits(inputs, step, index) > available:
            break
        updates = index + 1
    return max(1, updates)


def _subject(inputs: BudgetInputs) -> str:
    if inputs.reencrypt_every > 1:
        return f"reencrypt_every {inputs.reencrypt_every}"
    return "the newton message" if inputs.optimizer == "newton" else "a plain round"


def _window_bits(inputs: BudgetInputs, step: WindowStep, index: int) -> int:
    """Slot bits of the step at `index` of a window of several updates."""
    # The owners' sum is never wider than the peak, which holds it times μ, and μ has at least
    # learning_rate_precision_bits bits even for the most rows.
    peak_bits = step.magnitude_bits(step.peak, inputs.weights_fraction_bits_at(index + 1))
    return peak_bits + terms.sign_bits()


def _shared_step(inputs: BudgetInputs) -> StepBudget:
    sum_bound = shared_sum(inputs)
    return StepBudget(
        step=0,
        weight_fraction_bits=inputs.weight_fraction_bits,
        answer_fraction_bits=inputs.gradient_fraction_bits,
        weight_bound=terms.initial_weight(inputs),
        b_bound=0,
        owner_bound=shared_entry(inputs, inputs.max_rows),
        sum_bound=sum_bound,
        peak_bound=sum_bound,
        bits_used=sum_bound.bit_length() + terms.sign_bits(),
        bits_available=available_bits(inputs),
    )


def _step(inputs: BudgetInputs, window_step: WindowStep, index: int) -> StepBudget:
    if inputs.row_bounds is not None:
        return _shared_step(inputs)
    fraction_bits = inputs.weights_fraction_bits_at(index)
    answer_bits = inputs.answer_fraction_bits_at(index)
    owner_bound = _answer_bound(inputs, window_step, index, inputs.max_rows, 1)
    sum_bound = terms.owners_in_sum(inputs) * owner_bound
    peak_bound = sum_bound
    if inputs.reencrypt_every > 1:
        peak_bound = window_step.magnitude(window_step.peak, inputs.weights_fraction_bits_at(index + 1))
    target = terms.target_entry(inputs, inputs.largest_feature, inputs.max_rows, 1, answer_bits)
    weight_bound = window_step.magnitude(window_step.weight, fraction_bits)
    return StepBudget(
        step=index,
        weight_fraction_bits=fraction_bits,
        answer_fraction_bits=answer_bits,
        weight_bound=weight_bound,
        b_bound=math.floor(target),
        owner_bound=owner_bound,
        sum_bound=sum_bound,
        peak_bound=peak_bound,
        bits_used=max(weight_bound, sum_bound, peak_bound).bit_length() + terms.sign_bits(),
        bits_available=available_bits(inputs),
    )


def _answer_bound(inputs: BudgetInputs, window_step: WindowStep, index: int, rows: int, owners: int) -> int:
    """|Σ (A·w − b)| of so many rows and owners at the step, for the widest feature, whose row is the largest."""
    fraction_bits = inputs.weights_fraction_bits_at(index)
    largest = inputs.largest_feature
    weight = window_step.magnitude(window_step.weight, fraction_bits)
    # One unit more: the length is cut to an integer here, and must not fall short.
    norm = window_step.magnitude(window_step.norm, fraction_bits) + 1
    product = min(
        terms.matrix_row_sum(inputs, largest, rows, owners) * weight,
        terms.matrix_row_norm(inputs, largest, rows, owners) * norm,
    )
    target = terms.target_entry(inputs, largest, rows, owners, inputs.answer_fraction_bits_at(index))
    return math.floor(product + target)


def _counts_bits(inputs: BudgetInputs) -> int:
    return (terms.owners_in_sum(inputs) * terms.counts_entry(inputs)).bit_length() + terms.sign_bits()


def _newton_bits(inputs: BudgetInputs) -> int:
    if inputs.optimizer != "newton":
        return 0
    return (terms.owners_in_sum(inputs) * terms.newton_entry(inputs)).bit_length() + terms.sign_bits()


def _newton(inputs: BudgetInputs) -> NewtonBudget:
    d, owner_bound = inputs.dimensions, terms.newton_entry(inputs)
    entries = d * (d + 1) // 2 + d * inputs.outputs
    if inputs.validates:
        entries += entries + inputs.outputs
    layout = SlotLayout.packed(entries, 1, _newton_bits(inputs), inputs.modulus_bits)
    sum_bound = terms.owners_in_sum(inputs) * owner_bound
    return NewtonBudget(layout, inputs.newton_fraction_bits, owner_bound, sum_bound)
