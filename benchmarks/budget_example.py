"""The worked example of docs/arithmetic.md: the budget of a job with the diabetes data's shape, term by term.

python -m benchmarks.budget_example [--json]
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from math import log2

from fedtrain.methods.regression.budget import Budget, plan
from fedtrain.methods.regression.from_spec import budget_inputs
from fedtrain.methods.regression.worst_case.steps import largest_window
from fedtrain.spec.model_spec import ModelSpec

WINDOW = 4


def example_spec() -> ModelSpec:
    """Ten features scaled to [−1, 1], one target in [25, 346], every default of a spec, gradient descent."""
    features = [{"col_idx": index, "type": "continuous", "range": [-0.2, 0.2]} for index in range(10)]
    target = {"col_idx": 10, "range": [25.0, 346.0]}
    return ModelSpec.model_validate(
        {
            "model_type": "LINEAR_REGRESSION",
            "data_props": {"features": features, "target": target},
            "training": {"optimizer": "gradient_descent"},
        }
    )


def plain_terms(budget: Budget) -> dict[str, float]:
    """log2 of each term of a plain round's bound; the last entry is what a slot holds, sign included."""
    inputs, step = budget.inputs, budget.steps[0]
    return {
        "rows of one owner": log2(inputs.max_rows),
        "Σ x_j": log2(inputs.feature_sum),
        "weight bound": log2(inputs.weight_bound),
        "fraction bits": inputs.answer_fraction_bits_at(0),
        "|b| of one owner": log2(step.b_bound),
        "answer of one owner": log2(step.owner_bound),
        "owners": log2(inputs.max_owners),
        "sum": log2(step.sum_bound),
        "slot": budget.slot_bits,
    }


def measure() -> dict[str, object]:
    """All numbers of the example."""
    inputs = budget_inputs(example_spec())
    plain, window = plan(inputs), plan(replace(inputs, reencrypt_every=WINDOW))
    return {
        "plain_round_bits": {name: round(bits, 2) for name, bits in plain_terms(plain).items()},
        "slots_per_ciphertext": plain.answer_layout.slots_per_ciphertext,
        "rate_fraction_bits": inputs.rate_fraction_bits,
        "step_fraction_bits": inputs.step_fraction_bits,
        "window": [
            {
                "step": step.step,
                "weight_fraction_bits": step.weight_fraction_bits,
                "weight_bits": step.weight_bound.bit_length(),
                "sum_bits": step.sum_bound.bit_length(),
                "peak_bits": step.peak_bound.bit_length(),
                "slot_bits": step.bits_used,
            }
            for step in window.steps
        ],
        "largest_window": {bits: largest_window(replace(inputs, modulus_bits=bits)) for bits in (2048, 3072, 4096)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    numbers = measure()
    if parser.parse_args().json:
        print(json.dumps(numbers))
        return
    print("Bits of a plain round's bound:")
    for name, bits in plain_terms(plan(budget_inputs(example_spec()))).items():
        print(f"  {name:<22}{bits:8.2f}")
    print(f"A window of {WINDOW}, each update adding {numbers['step_fraction_bits']} fraction bits:")
    print("  step  fraction bits of w  |w|  |sum|  peak  slot")
    for row in numbers["window"]:  # type: ignore[attr-defined]
        print(
            "  {step:>4}{weight_fraction_bits:>20}{weight_bits:>5}{sum_bits:>7}{peak_bits:>6}{slot_bits:>6}".format(
                **row
            )
        )
    print(f"Largest window by key size: {numbers['largest_window']}")


if __name__ == "__main__":
    main()
