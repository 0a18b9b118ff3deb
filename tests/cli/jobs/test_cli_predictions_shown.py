"""Predictions as they are printed: values, probabilities of the second class, or the likeliest of several classes."""

from __future__ import annotations

import pytest

from fedtrain.cli.jobs.commands import print_prediction

SCORED = {"model_id": "1f", "cost": 0.25, "metrics": {"accuracy": 0.5}}


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.split()


def test_of_several_classes_the_likeliest_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"class_names": ["low", "mid", "high"], "classes": ["mid"], "values": [[0.125, 0.5, 0.375]]}
    print_prediction({**SCORED, **answer, "targets": ["high"]}, rows=5)
    assert printed(capsys)[-2:] == ["mid", "high"]


def test_of_two_classes_the_probability_of_the_second_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"class_names": ["no", "yes"], "classes": ["no"], "values": [0.375]}
    print_prediction({**SCORED, **answer, "targets": ["yes"]}, rows=5)
    assert printed(capsys)[-2:] == ["0.375", "yes"]


def test_no_more_rows_are_shown_than_were_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    print_prediction({**SCORED, "values": [1.5, 2.5, 3.5], "targets": [1.0, 2.0, 3.0]}, rows=2)
    words = printed(capsys)
    assert "2.5" in words
    assert "3.5" not in words
