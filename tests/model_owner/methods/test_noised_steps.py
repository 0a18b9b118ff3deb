"""Noised steps of a regression at the Model Owner: from w = 0, along the mean, and reported as coefficients."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from fedtrain.methods.network.one_layer import WEIGHTS
from fedtrain.methods.plan import Plan
from fedtrain.model_owner.methods import method_of
from fedtrain.model_owner.methods.method import Finished, JobFacts, Opened, Taken
from fedtrain.model_owner.methods.moves import Ask
from fedtrain.planning.plans import plan_spec
from fedtrain.spec.model_spec import ModelSpec
from tests.methods.network.test_private_logistic_plan import document

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def facts_of(**training: Any) -> JobFacts:
    spec = ModelSpec.model_validate(document(3, rounds=2, batch_size=100, learning_rate=0.5, **training))
    plan: Plan = plan_spec(spec)
    return JobFacts(spec, plan, 2, 4, plan.rows_supposed)


def begun(facts: JobFacts) -> Taken:
    return method_of(facts.spec).step(facts, None, Opened("counts", 0, np.array([[facts.rows_total]], object), NOW))


def sums(scale: int = 1) -> Any:
    return np.array([[at * scale << 16] for at in range(15)], dtype=object)


def asked(taken: Taken) -> Any:
    assert isinstance(taken.next, Ask) and taken.next.arrays is not None
    return taken.next.arrays[WEIGHTS]


def test_the_model_is_the_sum_of_the_steps_and_is_reported_in_raw_units() -> None:
    facts = facts_of()
    method, taken = method_of(facts.spec), begun(facts)
    assert not asked(taken).any() and asked(taken).shape == (3, 5)
    for number in (1, 2):
        taken = method.step(facts, taken.learning, Opened("update", number, sums(), NOW))
    expected = -2 * 0.5 / 100 * np.arange(15.0).reshape(3, 5)
    end = taken.next
    assert isinstance(end, Finished) and end.why == "all 2 rounds are done"
    np.testing.assert_allclose(end.model.arrays["weights"].values, expected.T, rtol=1e-6)
    coefficients = end.model.report["coefficients"]
    assert list(coefficients) == ["x0", "x1", "x2", "x3", "intercept"]
    # Scaled by (x − 5)/5.
    assert list(coefficients["x1"].values()) == pytest.approx(list(expected[:, 1] / 5), rel=1e-6)
    assert list(coefficients["intercept"].values()) == pytest.approx(list(expected[:, 4] - expected[:, :4].sum(axis=1)))
    assert [one.code for one in end.model.remarks] == ["noised-steps"]
    assert end.model.report["privacy"]["epsilon"] == 2.0
    assert method.fitted(facts.spec, end.model).remarks() == end.model.remarks


def test_a_sum_without_an_owner_counts_for_the_others_and_a_void_round_asks_the_same_again() -> None:
    facts = facts_of(on_dropout="continue")
    method, taken = method_of(facts.spec), begun(facts)
    part = method.step(facts, taken.learning, Opened("update", 1, sums(), NOW, share=Fraction(1, 2)))
    whole = method.step(facts, taken.learning, Opened("update", 1, sums(2), NOW))
    assert np.array_equal(asked(part), asked(whole)) and asked(part).any()
    again = method.again(facts, taken.learning, 1)
    assert not asked(again).any() and again.round == 2
    over = method.again(facts, part.learning, 2).next
    assert isinstance(over, Finished)
    np.testing.assert_array_equal(over.model.arrays["weights"].values, asked(part).T)
