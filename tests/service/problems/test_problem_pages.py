"""The pages on problems: one each, current in docs/problems, served where a problem document's `type` leads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from fastapi import APIRouter

from fedtrain.service.problems.pages import INDEX, page, texts, write_pages
from fedtrain.service.vault.watched_file import WatchedFile
from fedtrain.service.web.caller import TokenGate
from fedtrain.spec.problems import TYPE_BASE, Code, Problem

DOCS = Path(__file__).resolve().parents[3] / "docs" / "problems"

pytestmark = pytest.mark.anyio


@pytest.fixture
async def http(tmp_path: Path, make_service) -> AsyncIterator[httpx.AsyncClient]:
    """A service that lets nobody in without a token."""
    app = make_service(APIRouter(), gate=TokenGate(WatchedFile(tmp_path / "tokens.toml", lambda _: (), ())))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


def test_every_problem_has_a_text_and_no_text_is_left_over() -> None:
    """If this fails: write what is missing into fedtrain/service/problems/texts.toml."""
    assert sorted(texts()) == sorted(code.slug for code in Code)


@pytest.mark.parametrize("code", list(Code), ids=lambda code: code.slug)
def test_a_page_says_more_than_the_catalogue(code: Code) -> None:
    text = texts()[code.slug]
    for sentence in (text.seen_by, text.meaning, *text.advice):
        assert sentence.endswith((".", "?")), sentence
        assert sentence in page(code)
    assert text.meaning.rstrip(".") != code.title
    assert code.remedy not in text.advice
    assert f"`{code.slug}`, HTTP status {code.status}" in page(code)


def test_the_pages_in_the_documentation_are_these(tmp_path: Path) -> None:
    """If this fails: python -m fedtrain.service.problems.pages docs/problems."""
    write_pages(tmp_path)
    wanted = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {path.name: path.read_text() for path in DOCS.iterdir()} == wanted
    assert len(wanted) == len(Code) + 1


def test_writing_the_pages_removes_those_of_problems_that_are_no_more(tmp_path: Path) -> None:
    (tmp_path / "was-once.md").write_text("# Was once\n")
    write_pages(tmp_path)
    assert not (tmp_path / "was-once.md").exists()
    assert (tmp_path / INDEX).is_file()


async def test_the_type_of_a_problem_leads_to_its_page_without_a_token(http: httpx.AsyncClient) -> None:
    refused = await http.get("/models")
    assert refused.status_code == 401
    address = urljoin(str(refused.url), refused.json()["type"])
    answer = await http.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert answer.text == page(Code.UNAUTHENTICATED)


async def test_the_list_of_problems_leads_to_every_page(http: httpx.AsyncClient) -> None:
    listed = await http.get("/problems")
    assert listed.status_code == 200
    for code in Code:
        assert f"({TYPE_BASE}{code.slug})" in listed.text
        assert (await http.get(TYPE_BASE + code.slug)).status_code == 200


@pytest.mark.parametrize("slug", ["no-such-problem", "INTERNAL", "../keys", "internal/x", "x" * 65])
async def test_there_is_no_page_on_anything_else(http: httpx.AsyncClient, slug: str) -> None:
    answer = await http.get(TYPE_BASE + slug)
    assert answer.status_code in (401, 404, 422)
    assert Problem.from_dict(answer.json(), answer.status_code).code in (
        Code.NOT_FOUND,
        Code.UNAUTHENTICATED,
        Code.INVALID_REQUEST,
    )


@pytest.mark.parametrize(
    "base", ["/problems/", "https://facilitator.example:8443/problems/", "https://old.invalid/problems/"]
)
def test_a_problem_is_known_by_the_end_of_its_type_wherever_its_page_is(base: str) -> None:
    assert Problem.from_dict({"type": base + "diverged", "detail": "x"}, 409).code is Code.DIVERGED


@pytest.mark.parametrize("kind", ["about:blank", "/problem/diverged/", "https://x.invalid/diverged?/problems/y"])
def test_a_type_that_is_none_of_ours_is_not_guessed_at(kind: str) -> None:
    assert Problem.from_dict({"type": kind, "detail": "x"}, 409).code is Code.INVALID_REQUEST
