"""From a model spec to the numbers of its budget: a pure function, so that every party plans the same job.

The spec's floats become exact fractions, bounds are rounded up to the grid of the data, and from there on
everything is integer arithmetic. Source: docs/arithmetic.md.
"""

from __future__ import annotations

from fractions import Fraction

from fedtrain.methods.regression.inputs import BudgetInputs, RowBounds, ceil_log2
from fedtrain.methods.regression.weights_travel import check_fits
from fedtrain.spec.model_spec import Feature, FeatureType, ModelSpec, Optimizer, Target
from fedtrain.spec.problems import Code, Problem

# Owners round scaled values to this many fraction bits before anything else, ends of ranges included. Nothing is
# rounded after it: products of two records have twice as many, and so have the moments that travel.
RECORD_FRACTION_BITS = 64
MOMENT_FRACTION_BITS = 2 * RECORD_FRACTION_BITS
# With scaling "none" a column's largest value keeps 40 bits, twelve digits, above the rounding of records.
_LEAST_RAW_BOUND = Fraction(1, 1 << (RECORD_FRACTION_BITS - 40))
WEIGHT_FRACTION_BITS = 40
# Ciphertexts of w⊗w and w in one evaluation: 6 MB with the default key.
MOST_VALIDATION_PRODUCTS = 8000
_LEAST_WEIGHT_BOUND = 1024
# The intercept alone must be able to reach the targets, with room for weights that cancel each other.
_TARGETS_IN_WEIGHT_BOUND = 16
# Added up in float64, which ends at 2^1024, over at most 10^12 rows of each of 10^4 owners.
_LARGEST_ROW_BITS = 960


def budget_inputs(spec: ModelSpec) -> BudgetInputs:
    """Return what the budget depends on.

    Raises Problem(INVALID_SPEC) for l2 "auto" with windows, for a weight_bound that encodes to 0, for what does not go
    with how the weights travel, and where owners see the weights and their sums could overflow float64.
    """
    check_fits(spec)
    training = spec.training
    _check_carried(spec)
    features = feature_bounds(spec)
    # b = Xᵀ(y − ½) for classes 0 and 1.
    target = Fraction(1, 2) if spec.kind.classifies else target_bound(spec)
    if training.l2 == "auto" and training.reencrypt_every > 1:
        raise Problem(
            Code.INVALID_SPEC,
            f'l2 "auto" with reencrypt_every {training.reencrypt_every}: inside a window the Facilitator applies l2 '
            "under encryption, so it must be known before the job starts. Give l2 a number, or use reencrypt_every 1.",
        )
    _check_evaluation(spec)
    # Owners meet weights that the surrogate's slope was taken into, v = c·w, with XᵀX alone; so do all bounds.
    slope = weight_slope(spec)
    weight_bound = _weight_bound(spec, features, target) * slope
    if weight_bound * (1 << WEIGHT_FRACTION_BITS) < 1:
        raise Problem(
            Code.INVALID_SPEC,
            f"weight_bound {float(weight_bound):g} is below the smallest weight that {WEIGHT_FRACTION_BITS} fraction "
            'bits can tell from 0. Raise it, or use "auto".',
        )
    return BudgetInputs(
        modulus_bits=training.key_bits,
        dimensions=spec.data_props.dimensions,
        outputs=spec.outputs,
        feature_bounds=features,
        target_bound=target,
        slope=_curvature(spec),
        max_rows=training.max_rows,
        max_owners=training.max_data_owners,
        min_owners=training.min_data_owners,
        weight_bound=weight_bound,
        weight_fraction_bits=WEIGHT_FRACTION_BITS,
        optimizer=training.optimizer.value,
        learning_rate=None if training.learning_rate == "auto" else Fraction(training.learning_rate) * slope,
        # In plain rounds the Model Owner applies l2 to what it has decrypted, and no bound depends on it.
        l2=Fraction(0) if training.l2 == "auto" else Fraction(training.l2) / slope,
        momentum=Fraction(training.momentum),
        reencrypt_every=training.reencrypt_every,
        moment_fraction_bits=MOMENT_FRACTION_BITS,
        counts_fraction_bits=MOMENT_FRACTION_BITS,
        # b = Xᵀ(y − shift): a shift of ½ takes one more.
        newton_fraction_bits=MOMENT_FRACTION_BITS + spec.kind.target_shift.denominator.bit_length() - 1,
        validates=training.l2 == "auto",
        at_once=spec.signs_off,
        evaluates=training.evaluate_every > 0,
        row_bounds=_row_bounds(spec, features, weight_bound),
    )


def _check_carried(spec: ModelSpec) -> None:
    """Raise Problem(INVALID_SPEC) for an unscaled column of which the rounding of records would leave few digits."""
    if spec.training.scaling == "range":
        return
    for feature in spec.data_props.features:
        if _raw_bound(feature) < _LEAST_RAW_BOUND:
            raise Problem(
                Code.INVALID_SPEC,
                f'{feature.label}: with scaling "none" records are rounded to 2^−{RECORD_FRACTION_BITS}, about '
                f"{2.0**-RECORD_FRACTION_BITS:.1g}, which leaves too few digits of values of at most "
                f'{float(_raw_bound(feature)):.3g}. Use scaling "range", or give the column in a smaller unit.',
            )


def weight_slope(spec: ModelSpec) -> Fraction:
    """c of v = c·w, the weights as they travel encrypted; 1 where owners see them."""
    return Fraction(1) if spec.shares_weights else spec.kind.slope(spec.training)


def _curvature(spec: ModelSpec) -> Fraction:
    """1 in terms of v; where owners see the weights, the bound on the loss's curvature, for the learning rate."""
    if spec.shares_weights and spec.kind.row_loss is not None:
        return spec.kind.row_loss.curvature(spec.outputs)
    return Fraction(1)


def _row_bounds(spec: ModelSpec, features: tuple[Fraction, ...], weight_bound: Fraction) -> RowBounds | None:
    loss = spec.kind.row_loss
    if not spec.shares_weights or loss is None:
        return None
    # |x·w| is at most Σ x_j times the largest weight.
    bounds = RowBounds(loss.loss_bound(spec.outputs, weight_bound * sum(features, Fraction(0))), loss.residual_bound())
    if max(bounds.loss, bounds.residual * max(features)) > 1 << _LARGEST_ROW_BITS:
        raise Problem(
            Code.INVALID_SPEC,
            f"What a row adds to gradient or loss can pass 2^{_LARGEST_ROW_BITS}, too near the end of float64: an "
            "owner whose sums overflow would tell of a row by not answering. Lower weight_bound, or narrow the ranges.",
        )
    return bounds


def _check_evaluation(spec: ModelSpec) -> None:
    """Raise Problem(INVALID_SPEC) for an evaluation that cannot be, or whose products are too many."""
    training, d, k = spec.training, spec.data_props.dimensions, spec.outputs
    if not training.evaluate_every:
        return
    asked = f"evaluate_every {training.evaluate_every}"
    if training.optimizer is Optimizer.NEWTON or training.reencrypt_every > 1:
        why = (
            'newton has one round: l2 "auto" gives its validation loss'
            if training.optimizer is Optimizer.NEWTON
            else f"with reencrypt_every {training.reencrypt_every} the Model Owner does not know the weights in between"
        )
        raise Problem(Code.INVALID_SPEC, f"{asked}: {why}. Use evaluate_every 0.")
    products = k * (d * (d + 1) // 2 + d)
    if products > MOST_VALIDATION_PRODUCTS:
        megabytes = products * training.key_bits / 4 / 1e6
        raise Problem(
            Code.INVALID_SPEC,
            f"{asked}: {d} columns and {k} outputs make {products:,} ciphertexts, {megabytes:,.0f} MB to every owner "
            f"at each evaluation; at most {MOST_VALIDATION_PRODUCTS:,} are taken. Use evaluate_every 0, or fewer "
            "columns.",
        )


def feature_bounds(spec: ModelSpec) -> tuple[Fraction, ...]:
    """The largest magnitude of each design column, in the order of the features, the intercept's 1 last."""
    scaled = spec.training.scaling == "range"
    bounds: list[Fraction] = []
    for feature in spec.data_props.features:
        bounds += [Fraction(1) if scaled else _on_grid(_raw_bound(feature))] * feature.width
    return (*bounds, Fraction(1))


def target_bound(spec: ModelSpec) -> Fraction:
    """The largest |y| of the regression targets, each divided by its range's half-width."""
    return max(_on_grid(_scaled_target_bound(target)) for target in spec.kind.fitted(spec.data_props.all_targets))


def _raw_bound(feature: Feature) -> Fraction:
    """Of an unscaled feature: the far end of its range, its last rank, or 1 for a category's indicator."""
    if feature.range is not None:
        return Fraction(max(abs(end) for end in feature.range))
    if feature.type is FeatureType.ORDINAL:
        return Fraction(len(feature.category_texts) - 1)
    return Fraction(1)


def _scaled_target_bound(target: Target) -> Fraction:
    if target.range is None:
        raise ValueError(f"{target.label}: a regression target has a range")
    low, high = target.range
    return 2 * Fraction(max(abs(low), abs(high))) / (Fraction(high) - Fraction(low))


def _on_grid(bound: Fraction) -> Fraction:
    """Up to the next multiple of 2^−RECORD_FRACTION_BITS: what rounding a value at the bound can make of it."""
    return Fraction(-(-bound.numerator * (1 << RECORD_FRACTION_BITS) // bound.denominator), 1 << RECORD_FRACTION_BITS)


def _weight_bound(spec: ModelSpec, features: tuple[Fraction, ...], target: Fraction) -> Fraction:
    """The declared one; "auto" is 1,024, more for raw features of small values or targets far from 0."""
    declared = spec.training.weight_bound
    if declared != "auto":
        return Fraction(declared)
    wanted = max(Fraction(_LEAST_WEIGHT_BOUND), _TARGETS_IN_WEIGHT_BOUND * target) / min(features)
    return Fraction(1 << ceil_log2(wanted))
