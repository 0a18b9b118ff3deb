"""Results that wait for people, on pages: shown, signed and refused at Data Owners, and told at the Model Owner."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.pages.conftest import MARKUP, OWNERS, SPEC, Parties, Watched, approved, at, tab_to, until

pytestmark = pytest.mark.slow
#: In the order of their ids, which are drawn.
BOTH = re.compile("Not yet: owner-(a, owner-b|b, owner-a)\\.")


def opened(parties: Parties, watched: Watched, party: str, job: str) -> Page:
    """The page of a job, with a session."""
    return at(parties, watched, party, f"{'data-owner' if party in OWNERS else party}/job/{job}")


def deployed(parties: Parties, name: str, **training: Any) -> str:
    spec = {**SPEC, "name": name, "release": "sign_off", "training": {**SPEC["training"], **training}}
    job = approved(parties, spec)
    for owner in OWNERS:
        http = parties.client(owner)
        until(lambda http=http: http.get(f"/models/{job}").json()["sign_off"] == "waits")
    return job


def test_one_owner_signs_and_another_refuses_and_all_are_told_why(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, _ = finished
    job = deployed(parties, "held back, and refused", optimizer="newton")
    model_owner = opened(parties, watched, "model-owner", job)
    model_owner.get_by_text(BOTH).wait_for()

    first = opened(parties, watched, "owner-a", job)
    first.get_by_text("2 of 2 owners have signed whose answers are summed").wait_for()
    first.get_by_text("exact sums, without noise").wait_for()
    with parties.client("owner-a") as http:
        view = http.get(f"/models/{job}/sign-off").json()
    first.get_by_text(f"1 round, {view['numbers']} numbers").wait_for()
    first.get_by_text(view["result"]).wait_for()
    assert first.get_by_role("button", name="Refuse it").is_disabled()  # before a reason is there
    first.get_by_label("Who you are").fill(MARKUP)
    first.get_by_role("button", name="Sign it off").click()
    first.get_by_text("Signed off at this owner.").wait_for()
    first.get_by_text(f"Signed by {MARKUP}").wait_for()
    model_owner.get_by_text("Not yet: owner-b.").wait_for()

    second = opened(parties, watched, "owner-b", job)
    second.get_by_label("Who you are").fill("ben")
    second.get_by_label("Why. A refusal").fill(f"{MARKUP} another purpose")
    second.get_by_role("button", name="Refuse it").click()
    second.get_by_text("This owner has refused the result.").wait_for()
    model_owner.locator(".note.bad", has_text=f"{MARKUP} another purpose").first.wait_for()
    with parties.client("owner-a") as http:
        told = [one for one in http.get("/audit").json()["records"] if one["job_id"] == job and one.get("by")]
    assert [(one["by"], one["token_id"]) for one in told] == [(MARKUP, None)]


def test_what_people_signed_of_a_finished_model_goes_to_its_owner_as_a_file(
    finished: tuple[Parties, str], watched: Watched, tmp_path: Path
) -> None:
    parties, _ = finished
    job = deployed(parties, "kept from others")
    model_owner = opened(parties, watched, "model-owner", job)
    model_owner.get_by_text(BOTH).wait_for()
    model_owner.get_by_label("What an owner’s people signed").set_input_files(
        {"name": "notes.json", "mimeType": "application/json", "buffer": b"not that"}
    )
    model_owner.get_by_text("notes.json is not JSON").wait_for()

    for owner in OWNERS:
        page = opened(parties, watched, owner, job)
        page.get_by_text("rests on the Model Owner’s word").wait_for()
        page.get_by_role("button", name="Sign it off").click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Save what was signed").click()
        statement = tmp_path / f"{owner}.json"
        download.value.save_as(statement)
        model_owner.get_by_label("What an owner’s people signed").set_input_files(statement)
        model_owner.get_by_text("Not yet: owner-b." if owner == OWNERS[0] else "Not yet:").wait_for(
            state="visible" if owner == OWNERS[0] else "detached"
        )
    model_owner.get_by_role("link", name="To the result").click()
    with model_owner.expect_download() as download:
        model_owner.get_by_role("button", name="JSON", exact=True).click()
    assert download.value.suggested_filename == f"model-{job}.json"


def test_a_result_is_signed_off_and_refused_by_keyboard_alone(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, _ = finished
    job = deployed(parties, "by keyboard", optimizer="newton")
    for owner, button, says in (
        ("owner-a", "Sign it off", "Signed off at this owner."),
        ("owner-b", "Refuse it", "This owner has refused the result."),
    ):
        page = opened(parties, watched, owner, job)
        tab_to(page, page.get_by_label("Who you are"))
        page.keyboard.type("ana")
        page.keyboard.press("Tab")
        page.keyboard.type("As the board decided.")
        tab_to(page, page.get_by_role("button", name=button))
        page.keyboard.press("Enter")
        page.get_by_text(says).wait_for()
