"""Changes to a job that does not fit: for each field, the smallest change that is enough alone.

Found by asking the planner itself, so that no second formula can disagree with the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal, localcontext
from fractions import Fraction

from fedtrain.methods.regression.inputs import MOMENTUM, BudgetInputs
from fedtrain.methods.regression.worst_case.steps import fits, largest_window

# The largest key that a job may ask for, and the step between the keys offered.
_LARGEST_KEY_BITS = 16384
_KEY_STEP_BITS = 1024
# Down to a millionth of a millionth; beyond, it is another job.
_HALVINGS = 40


def smallest_fixes(inputs: BudgetInputs) -> tuple[str, ...]:
    """Such as ("reencrypt_every 10 or fewer", "key_bits 4096", …); fields that cannot help are left out."""
    candidates = (_window, _key, _rows, _owners, _weights, _rate, _momentum, _ridge)
    return tuple(fix for fix in (candidate(inputs) for candidate in candidates) if fix is not None)


def _window(inputs: BudgetInputs) -> str | None:
    if inputs.reencrypt_every == 1:
        return None
    updates = largest_window(inputs)
    if updates == 0:
        return None
    return f"reencrypt_every {updates}" + (" or fewer" if updates > 1 else "")


def _key(inputs: BudgetInputs) -> str | None:
    first = (inputs.modulus_bits // _KEY_STEP_BITS + 1) * _KEY_STEP_BITS
    for bits in range(first, _LARGEST_KEY_BITS + 1, _KEY_STEP_BITS):
        if fits(replace(inputs, modulus_bits=bits)):
            return f"key_bits {bits}"
    return None


def _rows(inputs: BudgetInputs) -> str | None:
    rows = _largest_integer(1, inputs.max_rows, lambda rows: replace(inputs, max_rows=rows))
    return None if rows is None else f"max_rows {rows:,} or fewer"


def _owners(inputs: BudgetInputs) -> str | None:
    owners = _largest_integer(inputs.min_owners, inputs.max_owners, lambda owners: replace(inputs, max_owners=owners))
    return None if owners is None else f"max_data_owners {owners:,} or fewer"


def _weights(inputs: BudgetInputs) -> str | None:
    least = Fraction(1, 1 << inputs.weight_fraction_bits)
    bound = _largest_halving(inputs.weight_bound, lambda bound: replace(inputs, weight_bound=bound), least)
    return None if bound is None else f"weight_bound {bound} or less"


def _rate(inputs: BudgetInputs) -> str | None:
    """Only `auto`: a smaller rate needs more fraction bits, a larger one lets weights grow more."""
    if inputs.learning_rate is None or not fits(replace(inputs, learning_rate=None)):
        return None
    return 'learning_rate "auto"'


def _momentum(inputs: BudgetInputs) -> str | None:
    if inputs.optimizer != MOMENTUM or inputs.momentum == 0:
        return None
    momentum = _largest_halving(inputs.momentum, lambda value: replace(inputs, momentum=value))
    return None if momentum is None else f"momentum {momentum} or less"


def _ridge(inputs: BudgetInputs) -> str | None:
    if inputs.l2 == 0:
        return None
    ridge = _largest_halving(inputs.l2, lambda value: replace(inputs, l2=value))
    return None if ridge is None else f"l2 {ridge} or less"


def _largest_integer(least: int, current: int, changed: Callable[[int], BudgetInputs]) -> int | None:
    """The largest value below `current` that fits, by bisection; None where even `least` does not."""
    if current <= least or not fits(changed(least)):
        return None
    low, high = least, current
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(changed(middle)) else (low, middle)
    return low


def _largest_halving(
    current: Fraction, changed: Callable[[Fraction], BudgetInputs], least: Fraction = Fraction(0)
) -> str | None:
    """The largest current/2^i ≥ least that fits, i ≥ 1: weight_bound and the like are tuned by factors.

    By bisection, as what fits goes on to fit when made smaller; None where the least does not.
    """
    most = _HALVINGS
    while most > 0 and current / (1 << most) < least:
        most -= 1
    if most == 0 or not fits(changed(current / (1 << most))):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(changed(current / (1 << middle))) else (middle, high)
    return _rounded_down(current / (1 << high))


def _rounded_down(value: Fraction) -> str:
    """Four significant digits, never more than the value: what is printed must fit as it stands."""
    with localcontext() as context:
        context.prec, context.rounding = 4, ROUND_DOWN
        number = Decimal(value.numerator) / Decimal(value.denominator)
        plain = -6 <= number.adjusted() <= 15
        return f"{number.normalize():f}" if plain else f"{number.normalize():e}"
