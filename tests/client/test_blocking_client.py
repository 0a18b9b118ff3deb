"""Answers that a Python client does not take: packed, or no JSON; and what it heeds of a refusal."""

from __future__ import annotations

import gzip

import httpx
import pytest

from fedtrain import ModelOwner
from fedtrain.client import blocking
from fedtrain.spec.problems import PROBLEM_JSON, Code, Problem

MODEL = "ab" * 16


def asked(answer: httpx.Response) -> Problem:
    """The problem that a client has with an answer to GET /models/{id}."""
    with ModelOwner("http://model-owner.invalid", transport=httpx.MockTransport(lambda _: answer)) as owner:
        with pytest.raises(Problem) as caught:
            owner.model(MODEL)
        return caught.value


def test_an_answer_that_is_packed_is_refused() -> None:
    packed = httpx.Response(200, content=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    problem = asked(packed)
    assert problem.code is Code.MALFORMED_MESSAGE and "packed as 'gzip'" in problem.detail


def test_an_answer_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "MOST_ANSWER_BYTES", 10)
    problem = asked(httpx.Response(200, json={"id": MODEL}))
    assert problem.code is Code.MALFORMED_MESSAGE and "more than 10 bytes" in problem.detail


def test_an_answer_that_is_no_json_is_refused_with_the_address() -> None:
    problem = asked(httpx.Response(200, text="<html>"))
    assert problem.code is Code.MALFORMED_MESSAGE and f"http://model-owner.invalid/models/{MODEL}" in problem.detail


def test_the_pause_that_a_refusal_asks_for_is_kept() -> None:
    refusal = Problem(Code.NOT_READY, "starting").to_dict()
    problem = asked(httpx.Response(503, json=refusal, headers={"Content-Type": PROBLEM_JSON, "Retry-After": "7"}))
    assert (problem.code, problem.extra["retry_after_s"]) == (Code.NOT_READY, 7.0)


def test_an_address_with_a_password_in_it_is_refused() -> None:
    with pytest.raises(Problem, match="a user or a password") as caught:
        ModelOwner("http://me:secret@model-owner.invalid")
    assert "secret" not in str(caught.value)
