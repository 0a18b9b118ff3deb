"""The catalogue, and problems on their way to another party and back."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedtrain.spec.problems import TYPE_BASE, Code, Problem


@pytest.mark.parametrize("code", list(Code), ids=lambda code: code.slug)
def test_every_code_says_what_and_what_to_do_with_an_error_status(code: Code) -> None:
    assert 400 <= code.status <= 599
    assert re.fullmatch(r"[A-Z].*[^.]", code.title)
    assert code.remedy.endswith(".")


@pytest.mark.parametrize("code", list(Code), ids=lambda code: code.slug)
def test_a_problem_comes_back_as_it_was(code: Code) -> None:
    sent = Problem(code, "range [2, 1]", errors=[{"field": "range"}], fixes=["swap them"])
    document = sent.to_dict()
    assert document["type"] == TYPE_BASE + code.slug
    assert document["status"] == code.status
    again = Problem.from_dict(document, code.status)
    assert (again.code, again.detail, again.extra) == (code, sent.detail, sent.extra)


@pytest.mark.parametrize(("status", "code"), [(400, Code.INVALID_REQUEST), (499, Code.INVALID_REQUEST)])
def test_an_unknown_problem_that_is_the_callers_is_an_invalid_request(status: int, code: Code) -> None:
    assert Problem.from_dict({"type": TYPE_BASE + "from-the-future", "detail": "x"}, status).code is code


def test_an_unknown_problem_of_too_many_requests_passes_with_time() -> None:
    assert Problem.from_dict({"type": "https://gateway.example/quota"}, 429).code is Code.RATE_LIMITED


@pytest.mark.parametrize("status", [200, 302, 500, 503])
def test_any_other_unknown_problem_is_internal(status: int) -> None:
    assert Problem.from_dict({"type": TYPE_BASE + "from-the-future"}, status).code is Code.INTERNAL


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


# The last three have names of their own in here.
_MEMBERS = ("type", "title", "status", "detail", "errors", "code", "self", "extra")


@given(
    JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(_MEMBERS, JSON)),
    st.integers(),
)
def test_whatever_a_peer_sends_is_a_problem(document: object, status: int) -> None:
    problem = Problem.from_dict(document, status)
    assert problem.code in Code
    assert str(problem) == problem.detail != ""


def test_a_proxys_own_problem_may_have_a_member_of_any_name() -> None:
    document = {"type": "about:blank", "detail": "upstream is away", "code": "GW-17", "self": "/x", "cls": 1}
    problem = Problem.from_body(json.dumps(document).encode(), 503)
    assert (problem.code, problem.detail) == (Code.INTERNAL, "upstream is away")
    assert problem.extra == {"code": "GW-17", "self": "/x", "cls": 1}


def test_an_extra_cannot_pass_for_the_status_or_the_type() -> None:
    again = Problem.from_dict({"type": TYPE_BASE + "diverged", "status": 200, "detail": "x", "id": 3}, 409)
    assert again.to_dict()["status"] == 409
    assert again.extra == {"id": 3}


def test_an_extra_of_its_own_cannot_replace_the_status_either() -> None:
    document = Problem(Code.DIVERGED, "x", status=200, type="about:blank", seen=1).to_dict()
    assert (document["status"], document["type"], document["seen"]) == (409, TYPE_BASE + "diverged", 1)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b"[1]", b'"x"', b"NaN"])
def test_any_body_of_an_error_is_a_problem(body: bytes) -> None:
    problem = Problem.from_body(body, 503)
    assert (problem.code, problem.detail) == (Code.from_slug("", 503), "The peer answered 503 without saying why.")


def test_a_problem_is_read_from_the_body_that_it_makes() -> None:
    sent = Problem(Code.RATE_LIMITED, "Later.", retry_after_s=3)
    again = Problem.from_body(json.dumps(sent.to_dict()).encode(), 429)
    assert (again.code, again.detail, again.extra) == (sent.code, "Later.", {"retry_after_s": 3})
