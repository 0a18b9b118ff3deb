"""Pages show what is known and no more: of owners and rounds, of answers that are no problems, of exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, Request, Route

from tests.pages.conftest import MARKUP, SPEC, Parties, Watched, at, tab_to

pytestmark = pytest.mark.slow


def job_as(parties: Parties, watched: Watched, party: str, job: str, screen: str, **said: Any) -> Page:
    """The page of a job of which the service says something else."""
    found = httpx.get(f"{parties.urls[party]}/models/{job}", trust_env=False, timeout=300).json() | said
    page = watched.page(parties.urls[party])
    page.route(f"**/models/{job}", lambda route: route.fulfill(json=found))
    page.goto(f"{parties.urls[party]}/#/{party}/{screen}/{job}")
    page.locator("main h1").first.wait_for()
    return page


OWNERS = [{"party": one * 32, "name": "clinic"} for one in ("1a", "2b", "3c")]
OWNER = "main tr:has(th[title])"
RUNNING = {"status": "IN_PROGRESS", "owners": OWNERS, "round": 4, "ended_at": None}
AWAITED = [{**OWNERS[1], "since": "2026-01-12T09:30:05.120Z"}]


def rows_of(page: Page) -> list[list[str]]:
    return [row.get_by_role("cell").all_inner_texts() for row in page.locator(OWNER).all()]


def squares_in(place: Locator, which: str = "path") -> int:
    """Return the number of squares that are drawn there: each begins where its path moves to."""
    return sum((path.get_attribute("d") or "").count("M") for path in place.locator(which).all())


@pytest.mark.parametrize("party", ["facilitator", "model-owner"])
def test_the_owner_that_all_wait_for_is_known_by_how_long_its_answers_take(
    finished: tuple[Parties, str], watched: Watched, party: str
) -> None:
    pace = [
        {**owner, "answered_after_s": None, "last_answer_after_s": after, "rounds_missed": 0, "left": False}
        for owner, after in zip(OWNERS, (0.5, 45.0, None), strict=True)
    ]
    page = job_as(finished[0], watched, party, finished[1], "job", **RUNNING, waiting_for=AWAITED, pace=pace)
    page.get_by_text("Rounds 0 to 4").wait_for()
    assert [row[:2] for row in rows_of(page)] == [
        ["answered", "after 0.5 s"],
        ["waited for", "after 45 s"],
        ["answered", ""],
    ]


@pytest.mark.parametrize("party", ["facilitator", "model-owner"])
def test_of_owners_of_one_name_only_the_one_that_is_waited_for_is_shown_so(
    finished: tuple[Parties, str], watched: Watched, party: str
) -> None:
    page = job_as(finished[0], watched, party, finished[1], "job", **RUNNING, waiting_for=AWAITED)
    page.get_by_text("Rounds 0 to 4").wait_for()
    assert [row[0] for row in rows_of(page)] == ["answered", "waited for", "answered"]
    assert [squares_in(page.locator(OWNER).nth(at)) for at in range(3)] == [5, 5, 5]
    assert squares_in(page.locator("main"), "path.open") == 1


def test_of_a_job_that_failed_the_last_rounds_answers_are_not_made_up(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    over = {**RUNNING, "status": "FAILED", "ended_at": "2026-01-12T09:40:05.120Z", "waiting_for": []}
    page = job_as(finished[0], watched, "facilitator", finished[1], "job", **over)
    page.get_by_text("Rounds 0 to 4").wait_for()
    assert [row[0] for row in rows_of(page)] == ["", "", ""]
    assert squares_in(page.locator("main")) == 3 * 4


def test_of_rounds_that_go_on_without_some_no_past_answer_is_claimed(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    pace = [
        {**OWNERS[0], "answered_after_s": 1.5, "last_answer_after_s": 1.5, "rounds_missed": 0, "left": False},
        {**OWNERS[1], "answered_after_s": None, "last_answer_after_s": 31.0, "rounds_missed": 2, "left": False},
        {**OWNERS[2], "answered_after_s": None, "rounds_missed": 1, "left": True},
    ]
    late: dict[str, Any] = {"pace": pace, "goes_on": True}
    page = job_as(finished[0], watched, "facilitator", finished[1], "job", **RUNNING, waiting_for=AWAITED, **late)
    page.get_by_text("Round 4.").wait_for()
    assert rows_of(page) == [
        ["answered", "after 1.5 s", ""],
        ["waited for", "after 31 s", "missed 2 rounds"],
        ["asked no more", "", "missed 1 round"],
    ]
    assert squares_in(page.locator("main")) == 0
    page = job_as(
        finished[0], watched, "model-owner", finished[1], "job",
        **RUNNING, waiting_for=AWAITED, on_dropout="continue",
    )  # fmt: skip
    page.get_by_text("Round 4.").wait_for()
    assert [row[0] for row in rows_of(page)] == ["", "waited for", ""]
    assert squares_in(page.locator("main")) == 0


def test_the_federation_shows_who_was_seen_of_which_version_and_by_which_clock(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, _ = finished
    page = watched.page(parties.urls["facilitator"])
    page.goto(f"{parties.urls['facilitator']}/#/facilitator/federation")
    version = parties.apps["facilitator"].version
    for name, role in (("owner-a", "Data Owner"), ("owner-b", "Data Owner"), ("model-owner", "Model Owner")):
        row = page.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True))
        for said in (role, version, "agrees", "asks for work now"):
            row.get_by_role("cell", name=said, exact=True).wait_for()

    said = httpx.get(f"{parties.urls['facilitator']}/federation", trust_env=False, timeout=300).json()
    first = {**said["parties"][0], "name": MARKUP, "version": MARKUP}
    silent = {"name": "silent", "role": None, "seen_at": None, "silent": True, "version": None, "clock_ahead_s": None}
    shown = [{**first, "clock_ahead_s": ahead} for ahead in (5, -6, 7200)] + [{**first, **silent}]
    shown[2] |= {"silent": True, "seen_at": "2026-01-12T09:30:05Z"}
    page.route("**/federation", lambda route: route.fulfill(json={**said, "parties": shown}))
    page.reload()
    page.get_by_role("cell", name="silent").wait_for()
    rows = [row.get_by_role("cell").all_inner_texts() for row in page.get_by_role("row").all()[1:]]
    assert [row[5] for row in rows] == ["agrees", "6 s behind", "2.0 h ahead", ""]
    assert (rows[0][0], rows[0][4]) == (MARKUP, MARKUP)
    assert (rows[3][1], rows[3][3]) == ("not known yet", "not yet")
    assert rows[1][3] == "asks for work now" and rows[2][3].startswith("12 Jan 2026")


def test_a_nodes_health_is_told_with_what_to_do_and_the_worst_first(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, _ = finished
    page = at(parties, watched, "owner-a", "health")
    page.get_by_role("row", name="dataset default").wait_for()
    page.get_by_role("row", name="facilitator").get_by_text("is reached").wait_for()
    ok = {"check": "disk", "level": "ok", "found": MARKUP, "remedy": ""}
    late = {**ok, "check": "clock", "level": "warn", "remedy": "run NTP"}
    said = [ok, late, {**ok, "check": "store", "level": "fail"}]
    page.route("**/health", lambda route: route.fulfill(json=said))
    tab_to(page, page.get_by_role("button", name="Look again"))
    page.keyboard.press("Enter")
    page.get_by_role("row", name="dataset default").wait_for(state="detached")
    page.get_by_text("2 of these need somebody.").wait_for()
    rows = [row.get_by_role("cell").all_inner_texts() for row in page.get_by_role("row").all()[1:]]
    assert [row[:2] for row in rows] == [["store", "to mend"], ["clock", "to look at"], ["disk", "in order"]]
    assert rows[1][2].split("\n") == [MARKUP, "run NTP"]

    looking = watched.page(parties.urls["owner-a"])
    looking.goto(f"{parties.urls['owner-a']}/#/health")
    looking.get_by_label("Token").wait_for()
    assert looking.get_by_role("table").count() == 0


@pytest.mark.parametrize(
    ("said", "formats"),
    [
        ({}, ["JSON", "ONNX", "scikit-learn"]),
        ({"model_type": "NEURAL_NETWORK", "coefficients": None}, ["JSON", "ONNX", "safetensors"]),
        ({"model_type": "SUMMARY", "coefficients": None}, ["JSON"]),
    ],
)
def test_a_model_is_offered_in_the_formats_that_it_has_a_place_in(
    finished: tuple[Parties, str], watched: Watched, said: dict[str, Any], formats: list[str]
) -> None:
    said = {**said, "coefficient_table": None} if said else {}
    page = job_as(finished[0], watched, "model-owner", finished[1], "result", **said)
    page.get_by_role("heading", name="Take it home").wait_for()
    offered = page.get_by_role("heading", name="Take it home").locator("xpath=following-sibling::div[1]")
    assert offered.get_by_role("button").all_inner_texts() == formats


@pytest.mark.parametrize(
    ("answered", "says"),
    [
        ({"status": 502, "body": "<h1>Bad gateway</h1>", "content_type": "text/html"}, "status 502 and is not this"),
        ({"status": 200, "body": "<h1>Sign in</h1>", "content_type": "text/html"}, "The answer is not JSON"),
        (None, "The service does not answer."),
    ],
)
def test_what_is_no_answer_of_the_services_is_called_what_it_is(
    finished: tuple[Parties, str], watched: Watched, answered: dict[str, Any] | None, says: str
) -> None:
    page = watched.page(finished[0].urls["model-owner"])
    page.route("**/models", lambda route: route.abort() if answered is None else route.fulfill(**answered))
    page.goto(finished[0].urls["model-owner"])
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert says in alert.inner_text()
    assert ("does not answer" in alert.inner_text()) == (answered is None)


def test_a_file_of_another_kind_or_a_broken_declaration_is_told_at_once(
    finished: tuple[Parties, str], watched: Watched, tmp_path: Path
) -> None:
    parties = finished[0]
    page = watched.page(parties.urls["owner-a"])
    page.goto(parties.link("owner-a"))
    page.get_by_role("link", name="Datasets").click()
    sheet = tmp_path / "stays.xlsx"
    sheet.write_bytes(b"PK")
    page.get_by_label("CSV or Parquet").set_input_files(sheet)
    page.get_by_role("button", name="Upload").click()
    assert "stays.xlsx is neither a .csv nor a .parquet file" in page.get_by_role("alert").inner_text()
    page.get_by_label("Path below the data folder").fill("owner-a.csv")
    page.get_by_label("Declaration").fill("{features")
    page.get_by_role("button", name="Register").click()
    page.get_by_text("The declaration is not JSON").wait_for()
    assert "does not answer" not in page.get_by_role("alert").inner_text()


def test_pressing_twice_is_one_job_and_another_spec_is_another(finished: tuple[Parties, str], watched: Watched) -> None:
    parties = finished[0]
    page = watched.page(parties.urls["model-owner"])
    keys: list[str] = []

    def put_off(route: Route, request: Request) -> None:
        if request.method != "POST":
            route.continue_()
            return
        keys.append(request.headers["idempotency-key"])
        problem = {"type": "/problems/x", "title": "Not now", "status": 503, "detail": "Later.", "remedy": "Wait."}
        route.fulfill(status=503, body=json.dumps(problem), content_type="application/problem+json")

    page.route("**/models", put_off)
    page.goto(parties.link("model-owner"))
    page.get_by_role("link", name="New job").click()
    for spec in (SPEC, SPEC, {**SPEC, "name": "another"}):
        page.get_by_label("As JSON").fill(json.dumps(spec))
        page.get_by_role("button", name="Start the job").click()
        page.get_by_text("Not now").wait_for()
        # A further character starts a new plan, which takes the note away.
        page.get_by_label("As JSON").fill(json.dumps(spec) + " ")
        page.get_by_text("Not now").wait_for(state="detached")
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("party", "path", "shows"),
    [
        ("model-owner", "docs", "Ask owners to approve a job: what is trained, what for, on whose datasets"),
        ("owner-a", "redoc", "/models/{job_id}/approve"),
    ],
)
def test_the_routes_are_shown_from_the_services_own_files(
    finished: tuple[Parties, str], watched: Watched, party: str, path: str, shows: str
) -> None:
    page = watched.page(finished[0].urls[party])
    page.goto(f"{finished[0].urls[party]}/{path}")
    page.get_by_text(shows).first.wait_for()
