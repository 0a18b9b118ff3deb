"""The position of a job in its window: scale, bits used and bits left, out of the plan that its manifest carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class WindowPosition(BaseModel):
    """One step of a window; a job without windows is always at step 0 of 1.

    `step`: updates since the weights were last encrypted afresh, of `of`. `weight_fraction_bits`: the scale of the
    weights that were asked with; `answer_fraction_bits`: of the answers. `bits_used`: of a slot in the worst case up
    to the update that follows, the sign included, of `bits_available` in a plaintext.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "step": 2,
                "of": 8,
                "weight_fraction_bits": 250,
                "answer_fraction_bits": 282,
                "bits_used": 369,
                "bits_left": 2701,
                "bits_available": 3070,
            }
        }
    )

    step: int
    of: int
    weight_fraction_bits: int
    answer_fraction_bits: int
    bits_used: int
    bits_left: int
    bits_available: int


def window_position(plan: Mapping[str, Any], step: int) -> WindowPosition | None:
    """Return the position at `step` under a plan as `Budget.to_dict` gives it; None where the plan has no such step."""
    steps = plan.get("steps")
    if not isinstance(steps, list) or not 0 <= step < len(steps):
        return None
    planned = steps[step]
    return WindowPosition(
        step=step,
        of=len(steps),
        weight_fraction_bits=planned["weight_fraction_bits"],
        answer_fraction_bits=planned["answer_fraction_bits"],
        bits_used=planned["bits_used"],
        bits_left=planned["bits_available"] - planned["bits_used"],
        bits_available=planned["bits_available"],
    )
