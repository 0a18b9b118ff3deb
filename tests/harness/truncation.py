"""Distance of fixed point from exact arithmetic: one plain round, and a whole schedule of updates.

Upper bounds from public numbers and the largest weight of the run, in floats: they are compared with float64
results, not held against ciphertexts. Derivations: docs/arithmetic.md.
"""

from __future__ import annotations

import math

from fedtrain.methods.regression.inputs import BudgetInputs, learning_rate

# Half a unit in the last place of a double near 1.
_FLOAT64_ROUNDING = 2.0**-53


def round_error_bound(inputs: BudgetInputs, rows_total: int, owners: int, weight_max: float) -> float:
    """|decoded Σ (A·w − b) − its exact value|, for any entry of a plain round.

    `rows_total`: N. `owners`: that answer. `weight_max`: the largest |w_j| before encoding.
    From the encoding of w (½ unit at f_w times a row of A), of A (½ unit an owner and entry at f_A, times w)
    and of b (½ unit an owner at f_A + f_w).
    """
    weight_unit, moment_unit = 2.0**-inputs.weight_fraction_bits, 2.0**-inputs.moment_fraction_bits
    row_sum = float(inputs.slope * rows_total * inputs.largest_feature * inputs.feature_sum)
    of_weights = row_sum * weight_unit / 2
    of_moments = owners * inputs.dimensions * moment_unit / 2 * (weight_max + weight_unit / 2)
    return of_weights + of_moments + owners * moment_unit * weight_unit / 2


def window_error_bound(
    inputs: BudgetInputs,
    rows_total: int,
    owners: int,
    rounds: int,
    weight_max: float,
    *,
    least_curvature: float = 0.0,
) -> float:
    """‖w − w*‖₂ of one column after `rounds` updates: w in fixed point, w* the same schedule in float64.

    With reencrypt_every K > 1, w is what is decrypted after windows of K encrypted updates; with K = 1, what the
    Model Owner keeps in float64 from the decoded sums. `weight_max`: the largest |w_j| or |w*_j| of the run.
    `least_curvature`: a lower bound on the eigenvalues of (c·XᵀX + l2·I')/N where the data are known, else 0.
    What a step adds is carried to the end by the largest factor that the remaining steps allow; with curvature
    it fades, without it adds up.
    """
    growth = _growth(inputs, rows_total, rounds, least_curvature)
    every_step = _float64_error(inputs, rows_total, weight_max)
    windowed = inputs.reencrypt_every > 1
    if windowed:
        every_step += _update_error(inputs, rows_total, owners, weight_max)
    else:
        rate = float(learning_rate(inputs, rows_total)) / rows_total
        every_step += rate * math.sqrt(inputs.dimensions) * round_error_bound(inputs, rows_total, owners, weight_max)
    total = every_step * math.fsum(growth[:rounds])
    if windowed:
        momentum = float(inputs.heavy_ball)
        encoding = math.sqrt(inputs.dimensions) / 2 * 2.0**-inputs.weight_fraction_bits
        for done in range(inputs.reencrypt_every, rounds + 1, inputs.reencrypt_every):
            left = rounds - done
            # Both w and, with momentum, its predecessor are encoded afresh.
            total += encoding * (growth[left] + (momentum * growth[left - 1] if left else 0.0))
    return total


def _growth(inputs: BudgetInputs, rows_total: int, rounds: int, least_curvature: float) -> list[float]:
    """U_0 … U_rounds: what t further updates multiply an error by, at most. 1 or less for stable gradient descent."""
    momentum = float(inputs.heavy_ball)
    rate = float(learning_rate(inputs, rows_total))
    curvature = rate * float(inputs.slope * inputs.feature_square_sum + inputs.l2 / rows_total)
    step = max(abs(1 + momentum - rate * least_curvature), abs(curvature - 1 - momentum))
    # Complex roots are both of length √momentum, which the double root bounds.
    larger = (step + math.sqrt(max(0.0, step * step - 4 * momentum))) / 2
    larger = max(larger, math.sqrt(momentum))
    smaller = momentum / larger if larger else 0.0
    growth, power = [1.0], 1.0
    for _ in range(rounds):
        power *= smaller
        growth.append(growth[-1] * larger + power)
    return growth


def _update_error(inputs: BudgetInputs, rows_total: int, owners: int, weight_max: float) -> float:
    """Return what one encrypted update does differently from an exact one: its rounded μ, A, b, l2 and momentum."""
    root_d, moment_unit = math.sqrt(inputs.dimensions), 2.0**-inputs.moment_fraction_bits
    rate = float(learning_rate(inputs, rows_total)) / rows_total
    # Only for stable rates is this the gradient's largest length; the weights of others have no limit anyway.
    gradient = _gradient_length(inputs, rows_total, weight_max)
    of_rate = 2.0**-inputs.rate_fraction_bits / 2 * gradient
    of_moments = rate * owners * moment_unit / 2 * inputs.dimensions * root_d * weight_max
    of_b = rate * owners * moment_unit * 2.0**-inputs.weight_fraction_bits / 2 * root_d
    of_ridge = rate * moment_unit / 2 * root_d * weight_max if inputs.l2 else 0.0
    of_momentum = 2.0**-inputs.step_fraction_bits * root_d * weight_max
    return of_rate + of_moments + of_b + of_ridge + of_momentum


def _float64_error(inputs: BudgetInputs, rows_total: int, weight_max: float) -> float:
    """Return what one update in float64 rounds away: d + 4 operations of the gradient, 3 of the update itself."""
    rate = float(learning_rate(inputs, rows_total)) / rows_total
    of_gradient = (inputs.dimensions + 4) * rate * _gradient_length(inputs, rows_total, weight_max)
    return _FLOAT64_ROUNDING * (of_gradient + 3 * math.sqrt(inputs.dimensions) * weight_max)


def _gradient_length(inputs: BudgetInputs, rows_total: int, weight_max: float) -> float:
    """‖ |A|·|w| + |b| + l2·|w| ‖₂ for weights of at most weight_max: terms added without their signs."""
    row = float(inputs.slope * inputs.feature_sum) * weight_max + float(inputs.target_bound)
    length = rows_total * math.sqrt(float(inputs.feature_square_sum)) * row
    return length + float(inputs.l2) * math.sqrt(inputs.dimensions) * weight_max
