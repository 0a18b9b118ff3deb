"""The budget of a job: what it may send, in which slots, and how large that can get.

`plan` proves from public numbers alone that nothing can wrap around, or refuses with the smallest changes that would
make it fit. Source: docs/arithmetic.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from fedtrain.crypto import EncryptedVector
from fedtrain.crypto.engine import Engine
from fedtrain.crypto.packing.slots import SlotLayout
from fedtrain.methods.plan import (
    AffineMap,
    Answer,
    DoesNotFit,
    EncryptedWeights,
    NotPlanned,
    Plan,
    Round,
    SharedArrays,
    Update,
)
from fedtrain.methods.regression.fixes import smallest_fixes
from fedtrain.methods.regression.inputs import BudgetInputs
from fedtrain.methods.regression.kinds import RoundKind
from fedtrain.methods.regression.update import next_weights
from fedtrain.methods.regression.worst_case import terms
from fedtrain.methods.regression.worst_case.sharing import loss_shift_bits, shared_entry, shared_layout
from fedtrain.methods.regression.worst_case.steps import (
    StepBudget,
    answer_bound,
    available_bits,
    counts_bits,
    needed_bits,
    newton_bits,
    step_budget,
)
from fedtrain.methods.regression.worst_case.validating import (
    ValidationBudget,
    products,
    products_and_weights,
    validation_budget,
)
from fedtrain.methods.regression.worst_case.windowing import window_steps


@dataclass(frozen=True)
class NewtonBudget:
    """The one message of `newton`: the upper triangle of A row by row, then b row by row, as one column.

    Where owners validate, the same of their validation parts follows, and Σy² a target of those; last, where all is
    told at once, Σy² a target.
    """

    layout: SlotLayout
    fraction_bits: int
    owner_bound: int
    sum_bound: int


@dataclass(frozen=True)
class Budget(Plan):
    """Everything that a job may send: its slots, and its worst case.

    `matrix_row_bounds`: Σ_j |A_ij| of one owner, row by row. `moment_bound`: of any entry of its A.
    `weights_layout` also holds w at a window's end, then within `final_weight_bound`. `counts_layout`: one row of N and
    the k sums of squared targets.
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
    final_weight_bound: int
    newton: NewtonBudget | None
    validation: ValidationBudget | None

    @property
    def bits_available(self) -> int:
        return available_bits(self.inputs)

    @property
    def shares_weights(self) -> bool:
        """True where owners see the weights, so that requests carry them sealed and not encrypted."""
        return self.inputs.row_bounds is not None

    @property
    def loss_shift_bits(self) -> int:
        """e: the last entry of an answer is the loss times 2^−e. Raises ValueError where weights are encrypted."""
        return loss_shift_bits(self.inputs)

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
        return min(self.steps[step].sum_bound, answer_bound(self.inputs, window_step, step, rows_total, owners))

    @property
    def modulus_bits(self) -> int:
        return self.inputs.modulus_bits

    @property
    def max_rows_total(self) -> int:
        return self.inputs.max_rows_total

    @property
    def kinds(self) -> tuple[str, ...]:
        trains = RoundKind.GRADIENT if self.newton is None else RoundKind.MOMENTS
        evaluates = () if self.validation is None else (RoundKind.VALIDATION_LOSS,)
        return RoundKind.COUNTS, trains, *evaluates

    @property
    def holds_out(self) -> bool:
        return self.inputs.validates or self.inputs.evaluates

    @property
    def numbers_in_all(self) -> int | None:
        """All of (ΣA, Σb), and those of the validation parts; each gradient of shared weights is another model's."""
        if self.shares_weights:
            return None
        moments = products(self.inputs) + self.inputs.dimensions * self.inputs.outputs
        return 2 * moments if self.holds_out else moments

    def round(self, kind: str, window_step: int = 0, rows_total: int | None = None) -> Round:
        if kind == RoundKind.GRADIENT and self.newton is None and window_step < len(self.steps):
            return self._gradient(window_step, rows_total)
        if window_step == 0:
            if kind == RoundKind.COUNTS:
                return self._counts()
            if kind == RoundKind.MOMENTS and self.newton is not None:
                return self._moments(self.newton)
            if kind == RoundKind.VALIDATION_LOSS and self.validation is not None:
                return self._validation_loss(self.validation)
        raise NotPlanned(f"This job's plan has no {kind} round at step {window_step} of a window.")

    def _counts(self) -> Round:
        """N and Σy² of each output, and those of the validation parts."""
        arrays: dict[str, tuple[int, ...]] = {"rows": (1,), "target_squares": (self.inputs.outputs,)}
        if self.validation is not None:
            arrays |= {f"validation_{name}": shape for name, shape in arrays.items()}
        owner, total = self.counts_owner_bound, self.counts_sum_bound
        return Round(RoundKind.COUNTS, Answer(arrays, self.counts_layout, self.counts_fraction_bits, owner, total))

    def _gradient(self, window_step: int, rows_total: int | None) -> Round:
        """A·w − b under encryption; where owners see the weights, the true gradient and the loss of their rows."""
        inputs, step = self.inputs, self.steps[window_step]
        d, k = inputs.dimensions, inputs.outputs
        total = step.sum_bound if rows_total is None else self.sum_bound_for(window_step, rows_total)
        if self.shares_weights:
            arrays = {"gradient": (d, k), "loss": (1,)}
            answer = Answer(arrays, self.answer_layout, step.answer_fraction_bits, step.owner_bound, total)
            shared = SharedArrays({"weights": (d, k)}, Fraction(step.weight_bound, 1 << step.weight_fraction_bits))
            return Round(RoundKind.GRADIENT, answer, shared, revealed=self.answer_layout.rows)
        windowed = inputs.reencrypt_every > 1
        applied = AffineMap(
            d,
            d,
            inputs.moment_fraction_bits,
            self.moment_bound,
            self.matrix_row_bounds,
            step.b_bound,
            self.moment_bound if rows_total is None else self.moment_bound_for(rows_total),
        )
        owner = applied.result_bound(step.weight_bound)
        answer = Answer({"gradient": (d, k)}, self.answer_layout, step.answer_fraction_bits, owner, total, applied)
        weights = self.weights_after(window_step)
        return Round(RoundKind.GRADIENT, answer, weights, d * k * (2 if weights.with_previous else 1), windowed)

    def _moments(self, newton: NewtonBudget) -> Round:
        """A's upper triangle row by row, then b; where owners validate, those of their validation parts, and Σy²."""
        d, k = self.inputs.dimensions, self.inputs.outputs
        arrays: dict[str, tuple[int, ...]] = {"matrix": (products(self.inputs),), "vector": (d, k)}
        if self.inputs.validates:
            arrays |= {f"validation_{name}": shape for name, shape in arrays.items()}
            arrays["validation_target_squares"] = (k,)
        if self.inputs.at_once:
            arrays["target_squares"] = (k,)
        answer = Answer(arrays, newton.layout, newton.fraction_bits, newton.owner_bound, newton.sum_bound)
        return Round(RoundKind.MOMENTS, answer, revealed=newton.layout.rows)

    def _validation_loss(self, planned: ValidationBudget) -> Round:
        """wᵀA·w − 2bᵀw of the validation parts, an output each, from w⊗w and w."""
        k, width = self.inputs.outputs, products_and_weights(self.inputs)
        applied = AffineMap(
            k,
            k * width,
            self.inputs.moment_fraction_bits,
            planned.entry_bound,
            (planned.row_bound,) * k,
            0,
            planned.entry_bound,
        )
        owner = applied.result_bound(planned.weight_bound)
        layout, bits = planned.answer_layout, planned.answer_fraction_bits
        answer = Answer({"loss": (k,)}, layout, bits, owner, planned.sum_bound, applied)
        arrays = {"products_and_weights": (k, width)}
        weights = EncryptedWeights(arrays, planned.weights_layout, planned.weight_fraction_bits, planned.weight_bound)
        return Round(RoundKind.VALIDATION_LOSS, answer, weights, revealed=k)

    def weights_after(self, updates: int) -> EncryptedWeights:
        return EncryptedWeights(
            {"weights": (self.inputs.dimensions, self.inputs.outputs)},
            self.weights_layout,
            self.inputs.weights_fraction_bits_at(updates),
            self.weight_bound_after(updates),
            self.inputs.reencrypt_every > 1 and self.inputs.heavy_ball > 0,
        )

    def update_exponents(self) -> tuple[int, ...]:
        """Of w_t, of the sum, and with momentum of w_{t−1}."""
        if self.inputs.reencrypt_every == 1:
            return ()
        of_previous = (2 * self.inputs.step_fraction_bits,) if self.inputs.heavy_ball else ()
        return self.inputs.step_fraction_bits, self.inputs.rate_fraction_bits, *of_previous

    def next_weights(self, update: Update, modulus: int, engine: Engine) -> EncryptedVector:
        return next_weights(self.inputs, self.weights_after(update.step + 1), update, modulus, engine)

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


def budget_of(plan: Plan) -> Budget:
    """Return the plan of a regression as what it is. Raises TypeError for another method's."""
    if not isinstance(plan, Budget):
        raise TypeError(f"a regression's plan is a Budget, received {type(plan).__name__}")
    return plan


def plan(inputs: BudgetInputs) -> Budget:
    """The budget of a job. Raises DoesNotFit with every single change that would be enough."""
    needed = needed_bits(inputs)
    if needed > available_bits(inputs):
        raise DoesNotFit(_subject(inputs), needed, available_bits(inputs), smallest_fixes(inputs))
    bounds = inputs.feature_bounds
    window = list(islice(window_steps(inputs), inputs.reencrypt_every + 1))
    steps = tuple(step_budget(inputs, window_step, index) for index, window_step in enumerate(window[:-1]))
    slot_bits = max(step.bits_used for step in steps)
    shape = (inputs.dimensions, inputs.outputs, slot_bits, inputs.modulus_bits)
    counts_owner = terms.counts_entry(inputs)
    counts_sum = terms.owners_in_sum(inputs) * counts_owner
    counts_columns = (1 + inputs.outputs) * (2 if inputs.evaluates else 1)
    final_fraction_bits = inputs.weights_fraction_bits_at(inputs.reencrypt_every)
    largest = inputs.largest_feature
    return Budget(
        inputs=inputs,
        slot_bits=slot_bits,
        weights_layout=SlotLayout.row_by_row(*shape),
        answer_layout=_answer_layout(inputs, shape),
        counts_layout=SlotLayout.packed(1, counts_columns, counts_bits(inputs), inputs.modulus_bits),
        counts_fraction_bits=inputs.counts_fraction_bits,
        counts_owner_bound=counts_owner,
        counts_sum_bound=counts_sum,
        moment_bound=terms.matrix_entry(inputs, largest, largest, inputs.moment_fraction_bits),
        matrix_row_bounds=tuple(math.floor(terms.matrix_row_sum(inputs, x, inputs.max_rows, 1)) for x in bounds),
        steps=steps,
        step_fraction_bits=inputs.step_fraction_bits,
        final_weight_bound=window[-1].magnitude(window[-1].weight, final_fraction_bits),
        newton=_newton(inputs) if inputs.optimizer == "newton" else None,
        validation=validation_budget(inputs) if inputs.evaluates else None,
    )


def _answer_layout(inputs: BudgetInputs, shape: tuple[int, int, int, int]) -> SlotLayout:
    if inputs.row_bounds is not None:
        return shared_layout(inputs, shape[2])
    # After updates under encryption the answers must meet the weights slot by slot.
    return SlotLayout.row_by_row(*shape) if inputs.reencrypt_every > 1 else SlotLayout.packed(*shape)


def _subject(inputs: BudgetInputs) -> str:
    if inputs.reencrypt_every > 1:
        return f"reencrypt_every {inputs.reencrypt_every}"
    return "the newton message" if inputs.optimizer == "newton" else "a plain round"


def _newton(inputs: BudgetInputs) -> NewtonBudget:
    d, owner_bound = inputs.dimensions, terms.newton_entry(inputs)
    entries = d * (d + 1) // 2 + d * inputs.outputs
    if inputs.validates:
        entries += entries + inputs.outputs
    if inputs.at_once:
        entries += inputs.outputs
    layout = SlotLayout.packed(entries, 1, newton_bits(inputs), inputs.modulus_bits)
    sum_bound = terms.owners_in_sum(inputs) * owner_bound
    return NewtonBudget(layout, inputs.newton_fraction_bits, owner_bound, sum_bound)
