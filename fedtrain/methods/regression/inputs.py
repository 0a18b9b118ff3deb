"""The public numbers of a job from which its budget follows, and what all parties derive from them alike.

Notation of docs/arithmetic.md: d columns, k outputs, x_j the bound of column j, y the target's bound, c the
slope, M owners of at most R rows each, N rows in all, f_A and f_w the fraction bits of moments and weights.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from heapq import nlargest

GRADIENT_DESCENT = "gradient_descent"
MOMENTUM = "momentum"
CONJUGATE_GRADIENT = "conjugate_gradient"
NEWTON = "newton"
ADAM = "adam"
LBFGS = "lbfgs"
OPTIMIZERS = (GRADIENT_DESCENT, MOMENTUM, CONJUGATE_GRADIENT, NEWTON, ADAM, LBFGS)
# Only an update that is linear in w can be applied under encryption.
WINDOWED = (GRADIENT_DESCENT, MOMENTUM)


@dataclass(frozen=True)
class RowBounds:
    """Bounds where owners see the weights: the largest |loss| of a row, and |derivative| by a score of it. Both above
    0.
    """

    loss: Fraction
    residual: Fraction

    def __post_init__(self) -> None:
        _above_zero("loss", self.loss)
        _above_zero("residual", self.residual)


@dataclass(frozen=True)
class BudgetInputs:
    """Everything that the worst case depends on. Exact: Fractions and integers, no floats.

    `feature_bounds`: the largest magnitude of each design column, in order, the intercept's 1 last.
    `target_bound`: the largest |y| that enters b (½ for the logistic surrogate). `slope`: c.
    `learning_rate`: None for the rate of `learning_rate()`. `max_rows`: of one owner.
    `min_owners`: the fewest that a job may be told to have at most.
    Raises ValueError naming the field that is out of range.
    """

    modulus_bits: int
    dimensions: int
    outputs: int
    feature_bounds: tuple[Fraction, ...]
    target_bound: Fraction
    slope: Fraction
    max_rows: int
    max_owners: int
    weight_bound: Fraction
    optimizer: str
    learning_rate: Fraction | None
    l2: Fraction
    momentum: Fraction
    reencrypt_every: int
    moment_fraction_bits: int = 32
    weight_fraction_bits: int = 40
    learning_rate_precision_bits: int = 40
    counts_fraction_bits: int = 40
    newton_fraction_bits: int = 60
    # newton sends the moments of the owners' validation parts too, with their Σy².
    validates: bool = False
    # newton tells Σy² too, and N is in it: nobody is asked for the counts before it.
    at_once: bool = False
    # The loss of the owners' validation parts is asked for during training.
    evaluates: bool = False
    # Changes no bound: advice to take fewer owners than a job must have would be no advice.
    min_owners: int = 1
    # Owners see the weights, and answer with the true gradient of their rows and its loss; None: weights are encrypted.
    row_bounds: RowBounds | None = None
    gradient_fraction_bits: int = 52

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float):
                raise ValueError(f"{field.name} must be exact, received the float {value!r}: use a Fraction")
        for name in ("modulus_bits", "outputs", "max_rows", "max_owners", "reencrypt_every", "min_owners"):
            _at_least(name, getattr(self, name), 1)
        for name in ("moment", "weight", "learning_rate_precision", "counts", "newton", "gradient"):
            label = f"{name}_bits" if name.endswith("precision") else f"{name}_fraction_bits"
            _at_least(label, getattr(self, label), 1)
        if len(self.feature_bounds) != self.dimensions or not self.feature_bounds or self.feature_bounds[-1] != 1:
            raise ValueError(
                f"feature_bounds needs {self.dimensions} entries, the last (the intercept's) 1; "
                f"received {len(self.feature_bounds)}"
            )
        for name in ("target_bound", "slope", "weight_bound"):
            _above_zero(name, getattr(self, name))
        if self.weight_bound * (1 << self.weight_fraction_bits) < 1:
            raise ValueError(
                f"weight_bound {float(self.weight_bound):g} is below the smallest weight that "
                f"{self.weight_fraction_bits} fraction bits can tell from 0: raise it"
            )
        for bound in self.feature_bounds:
            _above_zero("feature_bounds", bound)
        if self.learning_rate is not None:
            _above_zero("learning_rate", self.learning_rate)
        if self.l2 < 0:
            raise ValueError(f"l2 must be at least 0, received {self.l2}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be at least 0 and below 1, received {self.momentum}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, received {self.optimizer!r}")
        if self.reencrypt_every > 1 and self.optimizer not in WINDOWED:
            raise ValueError(
                f"reencrypt_every {self.reencrypt_every}: {self.optimizer} needs numbers that only the Model "
                "Owner can decrypt, so it needs reencrypt_every 1; gradient_descent and momentum take larger ones"
            )

    @property
    def max_rows_total(self) -> int:
        """The most rows that a federation of this job can have."""
        return self.max_rows * self.max_owners

    @property
    def heavy_ball(self) -> Fraction:
        """The momentum coefficient in use: 0 unless the optimizer is `momentum`."""
        return self.momentum if self.optimizer == MOMENTUM else Fraction(0)

    @cached_property
    def largest_feature(self) -> Fraction:
        """max_j x_j."""
        return self.two_largest_features[0]

    @cached_property
    def two_largest_features(self) -> tuple[Fraction, ...]:
        """The widest column's bound and the next one's, equal where two columns are as wide."""
        return tuple(nlargest(2, self.feature_bounds))

    @cached_property
    def feature_sum(self) -> Fraction:
        """Σ_j x_j."""
        return sum(self.feature_bounds, Fraction(0))

    @cached_property
    def feature_square_sum(self) -> Fraction:
        """S = Σ_j x_j²: XᵀX of N rows has no eigenvalue above N·S."""
        return sum((bound * bound for bound in self.feature_bounds), Fraction(0))

    @cached_property
    def rate_fraction_bits(self) -> int:
        """f_lr: fraction bits of the scalar μ = learning rate / N.

        Enough for `learning_rate_precision_bits` significant bits of the smallest such scalar, the one of
        the largest federation: ⌈log2(N_max / learning rate)⌉ plus the precision.
        """
        smallest = learning_rate(self, self.max_rows_total) / self.max_rows_total
        return max(0, ceil_log2(1 / smallest)) + self.learning_rate_precision_bits

    @property
    def step_fraction_bits(self) -> int:
        """s = f_A + f_lr: what one encrypted update adds to the fraction bits of the weights."""
        return self.moment_fraction_bits + self.rate_fraction_bits

    def weights_fraction_bits_at(self, step: int) -> int:
        """Fraction bits of the weights after `step` updates of a window."""
        return self.weight_fraction_bits + step * self.step_fraction_bits

    def answer_fraction_bits_at(self, step: int) -> int:
        """Fraction bits of A·w − b, and so of the b that owners encode, at `step` of a window."""
        return self.weights_fraction_bits_at(step) + self.moment_fraction_bits


@dataclass(frozen=True)
class UpdateScalars:
    """The integers of one encrypted update, the same for everyone who knows N.

    w_{t+1} = weights·w_t − gradient·Σg_t − previous·w_{t−1}, with `intercept` in place of `weights` for
    the last row, which ridge leaves alone. `previous` is 0 for gradient descent.
    """

    weights: int
    intercept: int
    gradient: int
    previous: int


def learning_rate(inputs: BudgetInputs, rows_total: int) -> Fraction:
    """The step size for N = rows_total ≥ 1 rows, in scaled units.

    The declared one, or 1/(c·S + l2/N): the inverse of a bound on the largest eigenvalue of
    (c·XᵀX + l2·I)/N, so that gradient descent converges whatever the data.
    """
    _at_least("rows_total", rows_total, 1)
    if inputs.learning_rate is not None:
        return inputs.learning_rate
    return 1 / (inputs.slope * inputs.feature_square_sum + inputs.l2 / rows_total)


def update_scalars(inputs: BudgetInputs, rows_total: int, step: int) -> UpdateScalars:
    """The integers of the update at `step` (counted from 0 in its window) for N = rows_total rows.

    At step 0 both w_0 and w_{−1} come freshly encrypted at the base scale; later w_{t−1} is one step's
    fraction bits behind w_t, which `previous` makes up for.
    Raises ValueError for rows_total outside 1…max_rows_total: its bounds would not hold.
    """
    _at_least("step", step, 0)
    if not 1 <= rows_total <= inputs.max_rows_total:
        raise ValueError(f"rows_total must be 1 to {inputs.max_rows_total}, received {rows_total}")
    one = 1 << inputs.step_fraction_bits
    rate = round(learning_rate(inputs, rows_total) / rows_total * (1 << inputs.rate_fraction_bits))
    momentum = round(inputs.heavy_ball * one)
    ridge = rate * round(inputs.l2 * (1 << inputs.moment_fraction_bits))
    previous = momentum if step == 0 else momentum * one
    return UpdateScalars(one + momentum - ridge, one + momentum, rate, previous)


def ceil_log2(value: Fraction) -> int:
    """The least integer e with 2^e ≥ value > 0, negative where value ≤ ½."""
    exponent = value.numerator.bit_length() - value.denominator.bit_length() - 1
    while _power_of_two(exponent) < value:
        exponent += 1
    return exponent


def _power_of_two(exponent: int) -> Fraction:
    return Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)


def _at_least(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, received {value!r}")


def _above_zero(name: str, value: Fraction | int) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be above 0, received {value}")
