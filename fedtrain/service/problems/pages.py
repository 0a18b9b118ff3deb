"""A page for each problem: what it means, who meets it, what to do. A problem document's `type` leads to it.

`python -m fedtrain.service.problems.pages docs/problems` writes the same pages as files.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as InPath
from fastapi.responses import PlainTextResponse
from pydantic import Field

from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import TYPE_BASE, Code, Problem

INDEX = "README.md"


class ProblemText(Strict):
    """Text that `texts.toml` has of one problem, beyond the catalogue."""

    seen_by: Annotated[str, Field(min_length=1)]
    meaning: Annotated[str, Field(min_length=1)]
    advice: Annotated[tuple[str, ...], Field(min_length=1)]


@cache
def texts() -> Mapping[str, ProblemText]:
    """Return what is written on each problem, by slug."""
    source = (files("fedtrain.service.problems") / "texts.toml").read_text(encoding="utf-8")
    return {slug: ProblemText.model_validate(text) for slug, text in tomllib.loads(source).items()}


def page(code: Code) -> str:
    """Return the Markdown page on one problem."""
    parts = [f"# {code.title}", f"`{code.slug}`, HTTP status {code.status}"]
    text = texts().get(code.slug)
    if text is None:
        return "\n\n".join([*parts, "## What to do", f"- {code.remedy}"]) + "\n"
    advice = "\n".join(f"- {one}" for one in (code.remedy, *text.advice))
    return (
        "\n\n".join(
            [*parts, f"**Who meets it:** {text.seen_by}", f"**What it means:** {text.meaning}", "## What to do", advice]
        )
        + "\n"
    )


def index(link: str) -> str:
    """Return the Markdown list of all problems. `link` is a page's address, with `{slug}` in it."""
    rows = [f"| [`{code.slug}`]({link.format(slug=code.slug)}) | {code.status} | {code.title} |" for code in Code]
    intro = (
        "Everything that can go wrong between parties and with their users. Over HTTP a problem is a document of the "
        f"type `application/problem+json`, whose `type` is `{TYPE_BASE}CODE`: every service serves these pages there."
    )
    return "\n".join(["# Problems", "", intro, "", "| code | status | what happened |", "|---|---|---|", *rows]) + "\n"


def write_pages(folder: Path) -> None:
    """Write all pages into `folder`, and remove those of problems that are no more."""
    wanted = {INDEX: index("{slug}.md")}
    wanted |= {f"{code.slug}.md": f"{page(code)}\n[All problems]({INDEX})\n" for code in Code}
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


def routes() -> APIRouter:
    """Return the routes that serve the pages, as Markdown that reads as plain text."""
    router = APIRouter(prefix=TYPE_BASE.rstrip("/"), tags=["service"], default_response_class=PlainTextResponse)

    @router.get("", summary="Everything that can go wrong, and where to read on")
    async def problems() -> PlainTextResponse:
        return PlainTextResponse(index(TYPE_BASE + "{slug}"))

    @router.get("/{slug}", summary="One problem: what it means, who meets it, what to do")
    async def problem(slug: Annotated[str, InPath(max_length=64, examples=["does-not-fit"])]) -> PlainTextResponse:
        found = next((code for code in Code if code.slug == slug), None)
        if found is None:
            raise Problem(Code.NOT_FOUND, f"There is no problem called {slug!r}; {TYPE_BASE[:-1]} lists them.")
        return PlainTextResponse(page(found))

    return router


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
