"""A Data Owner's screens: a dataset with its card, the budget by who asked, and what was released as a file."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from fedtrain.data_owner.agent.training import TrainingStep
from fedtrain.data_owner.queries.runner import Queries
from tests.pages.conftest import MARKUP, ROWS, SPEC, Parties, Watched, at, tab_to

pytestmark = pytest.mark.slow


def test_a_card_is_published_in_another_place_and_withdrawn_by_clicks(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, _ = finished
    page = at(parties, watched, "owner-a", "data-owner/datasets")
    page.get_by_role("link", name="default").click()
    page.get_by_text("Not published").wait_for()
    page.get_by_label("Title").fill(f"{MARKUP} stays")
    page.get_by_label("Tags, with").fill("cardiology, Ward")
    page.get_by_role("button", name="Publish").click()
    assert "tags" in page.get_by_role("alert").inner_text()  # an upper case letter; nothing of the form is lost
    page.get_by_label("Tags, with").fill("cardiology, ward")
    page.get_by_label("Rows, as a band").select_option("below 1,000")
    page.get_by_role("button", name="Publish").click()
    page.get_by_text(f"{MARKUP} stays").wait_for()
    with parties.client("owner-a") as http:
        card = http.get("/cards").json()["cards"][0]
    assert (card["title"], card["tags"]) == (f"{MARKUP} stays", ["cardiology", "ward"])
    assert (card["size"], card["visible_to"]) == ("below 1,000", None)

    page.reload()
    page.get_by_role("button", name="Publish in its place").wait_for()
    assert page.get_by_label("Title").input_value() == f"{MARKUP} stays"
    page.get_by_role("button", name="Withdraw").click()
    page.get_by_text("Not published").wait_for()
    with parties.client("owner-a") as http:
        assert http.get("/cards").json()["cards"] == []


def test_columns_are_shown_in_counts_and_held_against_a_dictionary(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, _ = finished
    page = at(parties, watched, "owner-a", "data-owner/dataset/default")
    page.get_by_role("img", name="Records by age, in 20 equal parts from 0 to 1").wait_for()
    counted = [int(one) for one in page.locator("svg rect title").all_text_contents()]
    assert sum(counted) == 3 * (len(ROWS.splitlines()) - 1)  # each of three columns has every row once
    page.get_by_label("Dictionary (JSON").fill("{")
    page.get_by_role("button", name="Check").click()
    page.get_by_text("The dictionary is not JSON").wait_for()
    kind = {"name": "age", "type": "nominal", "categories": ["young", MARKUP]}
    page.get_by_label("Dictionary (JSON").fill(json.dumps({**SPEC["data_props"], "features": [kind]}))
    page.get_by_role("button", name="Check").click()
    page.get_by_text("It does not fit, or asks something.").wait_for()
    page.get_by_text(f"the declared categories are young, {MARKUP}").wait_for()
    fitting = {**SPEC["data_props"], "features": SPEC["data_props"]["features"][:1]}
    page.get_by_label("Dictionary (JSON").fill(json.dumps(fitting))
    page.get_by_role("button", name="Check").click()
    page.get_by_text("the declared categories are").wait_for(state="detached")
    page.get_by_text("Nothing was declared by this.").wait_for()

    looking = watched.page(parties.urls["owner-a"])
    looking.goto(f"{parties.urls['owner-a']}/#/data-owner/dataset/default")
    looking.get_by_role("button", name="Open a session").wait_for()
    assert looking.get_by_role("heading", name="What its columns hold").count() == 0


def test_a_database_is_queried_by_clicks_where_the_settings_name_one(
    tmp_path: Path, fresh: Parties, watched: Watched
) -> None:
    other = at(fresh, watched, "owner-b", "data-owner/datasets")
    other.get_by_role("button", name="Register").wait_for()
    assert other.get_by_label("Database").count() == 0

    with sqlite3.connect(tmp_path / "ward.sqlite") as connection:
        connection.execute("CREATE TABLE stays (age REAL, days REAL)")
        connection.executemany("INSERT INTO stays VALUES (?, ?)", [(j, j / 2) for j in range(1234)])
    connection.close()
    (tmp_path / "ward.url").write_text(f"sqlite:///{tmp_path / 'ward.sqlite'}")
    (tmp_path / "ward.url").chmod(0o600)
    state = fresh.apps["owner-a"].state
    named = Queries({"ward": tmp_path / "ward.url"}, state.parts.data_folder / "uploads", 1 << 20, 60.0)
    state.parts = replace(state.parts, queries=named)
    page = at(fresh, watched, "owner-a", "data-owner/datasets")
    page.get_by_label("Name", exact=True).fill("ward")
    assert page.get_by_label("Database").input_value() == "ward"
    page.get_by_label("Query, one SELECT").fill("DELETE FROM stays")
    page.get_by_role("button", name="Run").click()
    assert "a query reads and does nothing else" in page.get_by_role("alert").inner_text()
    sql = f"SELECT age, days FROM stays -- {MARKUP}"  # noqa: S608
    page.get_by_label("Query, one SELECT").fill(sql)
    page.get_by_role("button", name="Run").click()
    page.get_by_text("ward is on offer: 1,234 rows, 2 columns.").wait_for()
    page.get_by_role("link", name="ward").wait_for()
    page.get_by_role("link", name="Releases").click()
    page.get_by_text(f"1,234 rows of database ward: {sql}").wait_for()
    page.get_by_text("The chain over all 1 records holds.").wait_for()


def test_the_budget_shows_what_each_requester_was_told(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, job = finished
    page = at(parties, watched, "owner-a", "data-owner/budget")
    page.get_by_text("sets no privacy budget").wait_for()
    release = {"epsilon": 1.0, "delta": 1e-6, "booked_at": "2026-01-31T09:30:07.000Z"}
    told = [{**release, "release": one * 32, "job_id": job if one == "3b" else "4c" * 16} for one in ("3b", "5d")]
    account = {"dataset": MARKUP, "version": "9f" * 32, "delta": 1e-6, "epsilon_spent": 1.6, "epsilon_left": 1.25}
    said = {"epsilon": 3.0, "delta": 1e-6, "per_job": 1.0, "at_end": "refuse", "forgotten": 2}
    said["datasets"] = [{**account, "exact": False, "reserved": 1, "releases": told}]
    page.route("**/budget", lambda route: route.fulfill(json=said))
    page.reload()
    page.get_by_role("heading", name=MARKUP).wait_for()
    page.get_by_role("heading", name="Asked by model-owner: 1 release").wait_for()
    page.get_by_role("heading", name="Asked by a job that is no longer listed here: 1 release").wait_for()
    page.get_by_label("1.6 of 3 spent").wait_for()
    page.get_by_text("2 releases were told that the store, an older copy, does not know.").wait_for()
    page.get_by_text("cost less than the sum").wait_for()


def test_the_releases_saved_as_csv_are_those_of_the_chain(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, _ = finished
    page = at(parties, watched, "owner-a", "data-owner/releases")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all of them as CSV").click()
    rows = list(csv.reader(io.StringIO(download.value.path().read_text())))
    with parties.client("owner-a") as http:
        records = http.get("/audit").json()["records"]
    assert rows[0] == ["Record", "When", "Job", "Round", "What", "Numbers", "About", "Hash"]
    assert [(row[0], row[2], row[7]) for row in rows[1:]] == [
        (str(one["index"]), one["job_id"], one["hash"]) for one in records
    ]
    assert sum(int(row[5] or 0) for row in rows[1:]) == sum(one.get("numbers") or 0 for one in records) > 0


def test_text_of_others_is_no_formula_in_a_saved_table(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, job = finished
    decided = {"job_id": job, "decision": "denied", "decided_at": "2026-01-31T09:30:07Z", "about": ['=HYPERLINK("x")']}
    record = {
        **decided,
        "reason": 'a "quoted", reason',
        "by": None,
        "index": 0,
        "previous": "0" * 64,
        "hash": "2a" * 32,
    }
    page = watched.page(parties.urls["owner-a"])
    page.route("**/audit", lambda route: route.fulfill(body=json.dumps({"head": "2a" * 32, "records": [record]})))
    page.goto(f"{parties.urls['owner-a']}/#/data-owner/releases")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save all of them as CSV").click()
    row = list(csv.reader(io.StringIO(download.value.path().read_text())))[1]
    assert row[6] == """'=HYPERLINK("x") a "quoted", reason """


def test_a_dataset_and_the_budget_are_worked_by_keyboard_alone(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, job = finished
    page = at(parties, watched, "owner-a", "data-owner/datasets")

    def press(role: str, name: str, key: str = "Enter") -> None:
        tab_to(page, page.get_by_role(role, name=name, exact=True))  # type: ignore[arg-type]
        page.keyboard.press(key)

    press("link", "default")
    page.get_by_text("Not published").wait_for()
    tab_to(page, page.get_by_label("Title"))
    page.keyboard.type("Stays by keyboard")
    press("button", "Publish")
    page.get_by_text("signed by this owner").wait_for()
    press("button", "Withdraw")
    page.get_by_text("Not published").wait_for()
    tab_to(page, page.get_by_label("Dictionary (JSON"))
    page.keyboard.insert_text(json.dumps({**SPEC["data_props"], "features": SPEC["data_props"]["features"][:1]}))
    press("button", "Check")
    page.get_by_text("Nothing was declared by this.").wait_for()

    release = {"epsilon": 1.0, "delta": 1e-6, "booked_at": "2026-01-31T09:30:07.000Z", "release": "3b" * 32}
    account = {"dataset": "default", "version": "9f" * 32, "delta": 1e-6, "epsilon_spent": 1.0, "epsilon_left": 2.0}
    said = {"epsilon": 3.0, "delta": 1e-6, "per_job": None, "at_end": "refuse", "forgotten": 0}
    said["datasets"] = [{**account, "exact": False, "reserved": 0, "releases": [{**release, "job_id": job}]}]
    page.route("**/budget", lambda route: route.fulfill(json=said))
    press("link", "Budget")
    page.get_by_role("heading", name="Asked by model-owner").wait_for()
    press("link", f"{job[:12]}…")
    page.get_by_role("heading", name="What is asked").wait_for()


def test_an_open_page_follows_the_training_that_runs_now(
    finished: tuple[Parties, str], awaited: str, watched: Watched
) -> None:
    """The event comes by the page's stream; the page asks what it is about, and is not loaded again."""
    parties, _ = finished
    running = TrainingStep(Path("frozen"), round=3, step=5, steps=40)
    steps = {awaited: running}
    state = parties.apps["owner-a"].state
    parts = state.parts
    state.parts = replace(parts, training_of=steps.get)
    try:
        page = at(parties, watched, "owner-a", f"data-owner/job/{awaited}")
        page.evaluate("window.kept = 'this page'")
        page.get_by_text("Trains for round 3: 5 of 40 batches.").wait_for()
        for step in (6, 39):
            steps[awaited] = replace(running, step=step)
            page.get_by_text(f"Trains for round 3: {step} of 40 batches.").wait_for()
        assert page.evaluate("window.kept") == "this page"
    finally:
        state.parts = parts
