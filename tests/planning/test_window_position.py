"""The position of a job in its window, as shown and as metrics."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from fedtrain.planning.plans import plan_spec
from fedtrain.planning.window_position import window_position
from fedtrain.service.metrics.window_metrics import WindowGauges
from tests.planning.test_job_costs import spec


def test_a_position_is_the_plan_s_at_that_step() -> None:
    budget = plan_spec(spec(optimizer="momentum", reencrypt_every=6))
    for step, planned in enumerate(budget.steps):
        position = window_position(budget.to_dict(), step)
        assert position is not None
        assert (position.step, position.of) == (step, 6)
        assert position.weight_fraction_bits == planned.weight_fraction_bits
        assert position.answer_fraction_bits == planned.answer_fraction_bits
        assert position.bits_used == planned.bits_used
        assert position.bits_left == 3070 - planned.bits_used


@pytest.mark.parametrize("step", [-1, 6, 100])
def test_a_step_that_the_plan_does_not_have_has_no_position(step: int) -> None:
    budget = plan_spec(spec(optimizer="momentum", reencrypt_every=6))
    assert window_position(budget.to_dict(), step) is None
    assert window_position({}, 0) is None


def test_gauges_show_a_job_until_it_ends() -> None:
    registry = CollectorRegistry()
    gauges = WindowGauges(registry)
    plan = plan_spec(spec(optimizer="gradient_descent", reencrypt_every=4)).to_dict()
    labels = {"model_id": "a"}
    for step in (0, 3):
        position = window_position(plan, step)
        assert position is not None
        gauges.show("a", position)
        assert registry.get_sample_value("fedtrain_window_step", labels) == step
        assert registry.get_sample_value("fedtrain_weight_fraction_bits", labels) == position.weight_fraction_bits
        assert registry.get_sample_value("fedtrain_bits_used", labels) == position.bits_used
        assert registry.get_sample_value("fedtrain_bits_left", labels) == position.bits_left
    gauges.show("a", None)
    gauges.show("b", None)
    assert registry.get_sample_value("fedtrain_bits_used", labels) is None
