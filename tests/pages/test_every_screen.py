"""Each screen in both themes and on a narrow one: no barrier that axe finds, nothing cut off, and its errors told."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.pages.conftest import Parties, Watched

pytestmark = pytest.mark.slow
SCREENS = {
    "model-owner": (
        *("jobs", "data", "requests", "request/{asked}", "ask", "new", "compare"),
        *("job/{}", "job/{awaited}", "result/{}"),
    ),
    "owner-a": (
        *("inbox", "request/{asked}", "datasets", "dataset/default", "budget", "jobs"),
        *("job/{}", "job/{awaited}", "releases"),
    ),
    "facilitator": ("federation", "datasets", "jobs", "job/{}"),
}
STREAMS = {"jobs", "requests", "inbox", "federation", "request/{asked}", "job/{}", "job/{awaited}"}
FOLDERS = {"owner-a": "data-owner"}
MOST_SCRIPT_BYTES = 150_000


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("party", list(SCREENS))
def test_no_screen_has_a_barrier_or_is_cut_off(
    finished: tuple[Parties, str],
    awaited: str,
    request_made: str,
    watched: Watched,
    installed: Path,
    party: str,
    theme: str,
) -> None:
    parties, job = finished
    axe = (installed / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    width = 360 if theme == "dark" else 1100
    page = watched.page(parties.urls[party], color_scheme=theme, viewport={"width": width, "height": 800})
    page.goto(parties.link(party))
    page.get_by_role("button", name="End the session").wait_for()
    folder = FOLDERS.get(party, party)
    for screen in (*(f"{folder}/{one}" for one in SCREENS[party]), "health", "people", "about"):
        page.goto(f"{parties.urls[party]}/#/{screen.format(job, awaited=awaited, asked=request_made)}")
        page.locator("main h1").wait_for()
        # What keeps a stream of events open is never idle.
        listens = screen.partition("/")[2] in STREAMS
        page.wait_for_timeout(500) if listens else page.wait_for_load_state("networkidle")
        page.evaluate(axe)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        told = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]
        assert told == [], screen
        assert page.evaluate("document.documentElement.scrollWidth") <= width, screen


def test_the_keyboard_reaches_the_page_and_its_links(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, _ = finished
    page = watched.page(parties.urls["model-owner"])
    page.goto(parties.link("model-owner"))
    page.get_by_role("button", name="End the session").wait_for()
    page.locator("nav a[aria-current=page]").wait_for()  # it has gone on to the first screen
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the page"
    page.keyboard.press("Enter")
    page.locator("#main:focus").wait_for()
    page.get_by_role("link", name="New job").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="New job").wait_for()


@pytest.mark.parametrize(("status", "title"), [(503, "The service is not ready"), (429, "Too many requests")])
def test_what_a_service_refuses_is_told_in_its_words(
    finished: tuple[Parties, str], watched: Watched, status: int, title: str
) -> None:
    parties, _ = finished
    page = watched.page(parties.urls["model-owner"])
    problem = {"type": "/problems/x", "title": title, "status": status, "detail": "Why.", "remedy": "Then do this."}
    page.route(
        "**/models",
        lambda route: route.fulfill(status=status, body=json.dumps(problem), content_type="application/problem+json"),
    )
    page.goto(parties.link("model-owner"))
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert title in alert.inner_text() and "Then do this." in alert.inner_text()
    page.unroute("**/models")
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("table").wait_for()


def test_a_first_page_loads_little(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, _ = finished
    page = watched.page(parties.urls["model-owner"])
    scripts: dict[str, int] = {}

    def weigh(response: object) -> None:
        if ".js" in response.url:  # type: ignore[attr-defined]
            scripts[response.url] = len(gzip.compress(response.body()))  # type: ignore[attr-defined]

    page.on("response", weigh)
    page.goto(parties.link("model-owner"))
    page.get_by_role("table").wait_for()
    assert len(scripts) > 3
    assert sum(scripts.values()) <= MOST_SCRIPT_BYTES
