"""Requests by clicks alone: found, asked, talked about, approved by conditions, declined, and started as a job."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, Request, Route

from fedtrain.service.people.permissions import PersonRole
from tests.pages.conftest import MARKUP, OWNERS, SPEC, Parties, Watched, at, requested, until

pytestmark = pytest.mark.slow
CARD = {"title": f"{MARKUP} stays", "tags": ["stays"], "columns": "none"}
RIGHT = "correct horse battery"
TITLE, PURPOSE = SPEC["name"], SPEC["purpose"]


def asked(parties: Parties, watched: Watched) -> Page:
    """A request of both owners' datasets, made by clicks: the Model Owner's page of it."""
    page = at(parties, watched, "model-owner", "model-owner/ask")
    page.get_by_text("No data is chosen.").wait_for()
    page.get_by_role("link", name="Find data").last.click()
    page.get_by_label("Words").fill("stays")
    page.get_by_role("button", name="Look").click()
    marks = page.get_by_label(f"Ask for {MARKUP} stays")
    marks.nth(1).wait_for()
    marks.nth(0).check()
    page.get_by_role("link", name="Ask for this one").wait_for()
    marks.nth(1).check()
    page.get_by_role("link", name="Ask for these 2").click()
    page.get_by_role("heading", name="Ask for data").wait_for()
    begun = json.loads(page.get_by_label("As JSON").input_value())
    assert (begun["dataset"], begun["training"]["min_data_owners"]) == ("default", 2)

    untitled = {name: value for name, value in SPEC.items() if name != "purpose"}
    page.get_by_label("As JSON").fill(json.dumps(untitled))
    page.get_by_text("A request has a name and a purpose").wait_for()
    assert page.get_by_role("button", name="Ask their owners").is_disabled()
    page.get_by_label("Purpose, which").fill(PURPOSE)
    page.get_by_label("Purpose, which").press("Tab")
    keys: list[str] = []

    def put_off_once(route: Route, request: Request) -> None:
        if request.method == "POST":
            keys.append(request.headers["idempotency-key"])
        if len(keys) != 1:
            route.continue_()
            return
        problem = {"type": "/problems/x", "title": "Not now", "status": 503, "detail": "Later.", "remedy": "Wait."}
        route.fulfill(status=503, body=json.dumps(problem), content_type="application/problem+json")

    page.route("**/requests", put_off_once)
    page.get_by_role("button", name="Ask their owners").click()
    page.get_by_text("Not now").wait_for()
    page.get_by_role("button", name="Ask their owners").click()
    page.get_by_role("heading", name=TITLE).wait_for()
    assert len(keys) == 2 and keys[0] == keys[1]  # pressing twice is one request
    page.unroute("**/requests")
    return page


def opened(parties: Parties, watched: Watched, owner: str) -> Page:
    """An owner's page of the request, by its inbox."""
    page = at(parties, watched, owner, "data-owner/inbox")
    page.get_by_role("link", name=TITLE).click()
    page.get_by_role("heading", name=TITLE).wait_for()
    return page


def tab_to(page: Page, words: str) -> None:
    """Go on by the Tab key alone until what has these words, or this label, has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = "(document.activeElement.labels?.[0] ?? document.activeElement).innerText"
        if words in (page.evaluate(focused) or ""):
            return
    raise AssertionError(f"the keyboard does not reach {words!r}")


def test_a_request_goes_from_found_data_to_a_job_by_clicks_alone(fresh: Parties, watched: Watched) -> None:
    for name in OWNERS:
        with fresh.client(name) as owner:
            assert owner.put("/datasets/default/card", json=CARD).status_code == 200
    model_owner = asked(fresh, watched)
    model_owner.get_by_text("has not decided").nth(1).wait_for()
    model_owner.get_by_text("The job needs 2 owners, and 0 have approved so far.").wait_for()
    assert model_owner.get_by_role("button", name="Start the job").count() == 0

    first = opened(fresh, watched, "owner-a")
    first.get_by_text("waits for a person here").wait_for()
    first.get_by_text("encrypted and masked, so that only sums over all owners can be read").wait_for()
    first.get_by_text("The policy wants every job approved by hand.").wait_for()
    first.get_by_text(PURPOSE).first.wait_for()
    assert "owner-b" in first.get_by_text("of those that are asked").inner_text()
    first.get_by_label("Ask, or answer").fill(f"Which wards?\n{MARKUP}")
    first.get_by_role("button", name="Send").click()
    first.locator(".said", has_text=MARKUP).wait_for()

    # Nobody loads a page again here: what others say and decide is told to it.
    model_owner.locator(".said", has_text="Which wards?").wait_for()
    model_owner.get_by_label("Ask, or answer").fill("All of them.")
    model_owner.get_by_role("button", name="Send").click()
    model_owner.get_by_text("All of them.").wait_for()

    first.get_by_text("All of them.").wait_for()
    first.get_by_label("Who you are").fill(MARKUP)
    first.get_by_label("The job has to come before").fill("2020-01-01T00:00")
    first.get_by_role("button", name="Approve").click()
    assert "has passed" in first.get_by_role("alert").inner_text()  # nothing that was filled in is lost
    later = datetime.now(UTC) + timedelta(days=400)
    first.get_by_label("The job has to come before").fill(f"{later:%Y-%m-%dT%H:%M}")
    first.get_by_label("Rounds at most").fill("3")
    first.get_by_role("button", name="Approve").click()
    first.get_by_text("approved here").wait_for()
    first.get_by_text("3 rounds at most").wait_for()

    second = at(fresh, watched, "owner-b", "data-owner/inbox")
    tab_to(second, TITLE)
    second.keyboard.press("Enter")
    second.get_by_role("heading", name=TITLE).wait_for()
    tab_to(second, "Why you decline")
    second.keyboard.type(f"{MARKUP} Not on a holiday.")
    tab_to(second, "Decline")
    second.keyboard.press("Enter")
    second.get_by_text("declined here").wait_for()

    model_owner.get_by_text(f"because: {MARKUP} Not on a holiday.").wait_for()
    model_owner.get_by_text("The job needs 2 owners, and 1 has approved so far.").wait_for()

    second.get_by_role("button", name="Approve").click()
    second.get_by_text("approved here").wait_for()
    model_owner.get_by_role("link", name="Requests").click()
    model_owner.get_by_text("3 rounds at most").wait_for()
    model_owner.get_by_role("link", name=TITLE).click()
    assert model_owner.get_by_label("Rounds, where fewer").input_value() == "3"  # what the strictest owner approved
    model_owner.get_by_label("Rounds, where fewer").fill("4")
    second.get_by_label("Ask, or answer").fill("And then?")
    second.get_by_role("button", name="Send").click()
    model_owner.get_by_text("And then?").wait_for()  # the page has asked again, and what was typed stays
    model_owner.get_by_role("button", name="Start the job").click()
    assert "4 rounds are more than the 3" in model_owner.get_by_role("alert").inner_text()
    model_owner.get_by_label("Rounds, where fewer").fill("3")
    model_owner.get_by_role("button", name="Start the job").click()
    model_owner.get_by_role("link", name="To the result").wait_for()  # the approvals were enough

    with fresh.client("owner-a") as owner:
        told = [one for one in owner.get("/audit").json()["records"] if one.get("by")]
    assert [(one["by"], one["decision"]) for one in told] == [(MARKUP, "request_approved")]


def test_an_inbox_hears_of_requests_and_jobs_by_one_stream_and_of_no_others(fresh: Parties, watched: Watched) -> None:
    inboxes = {name: at(fresh, watched, name, "data-owner/inbox") for name in OWNERS}
    streams = {name: fresh.apps[name].state.event_streams for name in OWNERS}
    until(lambda: all(one.total == 1 for one in streams.values()))
    # By itself, and once more when its service first knows which requests there are.
    twice = "performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/requests')).length > 1"
    until(lambda: inboxes["owner-b"].evaluate(twice))
    asked_for: list[str] = []
    inboxes["owner-b"].on("request", lambda request: asked_for.append(request.url))
    requested(fresh, "owner-a")
    inboxes["owner-a"].get_by_role("link", name=TITLE).wait_for()
    inboxes["owner-a"].get_by_text("1 message").wait_for()
    assert [url for url in asked_for if "/requests" in url] == []
    with fresh.client("model-owner") as model_owner:
        job = model_owner.post("/models", json={**SPEC, "name": "a job"}).json()["id"]
    for page in inboxes.values():
        page.get_by_role("link", name="a job").wait_for()
    assert {one.total for one in streams.values()} == {1}
    with fresh.client("owner-b") as owner:
        assert owner.post(f"/models/{job}/deny", json={"reason": "no"}).status_code == 200
    inboxes["owner-b"].get_by_role("link", name="a job").wait_for(state="detached")
    inboxes["owner-b"].get_by_role("link", name="Releases").click()
    until(lambda: streams["owner-b"].total == 0)


def test_a_tab_that_nobody_looks_at_holds_no_connection_and_has_what_is_new_once_somebody_does(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, _ = finished
    streams = parties.apps["model-owner"].state.event_streams
    page = at(parties, watched, "model-owner", "model-owner/jobs")
    until(lambda: streams.total == 1)
    seen = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => %s });"
    turned = seen + "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(turned % "true")
    until(lambda: streams.total == 0)
    with parties.client("model-owner") as model_owner:
        job = model_owner.post("/models", json={**SPEC, "name": "made meanwhile"}).json()["id"]
        page.evaluate(turned % "false")
        page.get_by_role("link", name="made meanwhile").wait_for()
        assert streams.total == 1
        assert page.get_by_text("Nothing is heard").count() == 0
        assert model_owner.delete(f"/models/{job}").is_success


def test_only_who_may_decide_is_shown_how_and_the_account_is_who_decides(fresh: Parties, watched: Watched) -> None:
    requested(fresh, "owner-b")
    people = fresh.apps["owner-b"].state.sessions.people
    people.accounts.add("olga", PersonRole.OWNER, RIGHT, people.now())
    people.accounts.add("ana", PersonRole.COMPLIANCE_OFFICER, RIGHT, people.now())
    people.accounts.add("eve", PersonRole.AUDITOR, RIGHT, people.now())
    url = fresh.urls["owner-b"]

    def signed_in(name: str) -> Page:
        page = watched.page(url)
        page.goto(url)
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password", exact=True).fill(RIGHT)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("link", name=TITLE).click()
        page.get_by_role("heading", name=TITLE).wait_for()
        return page

    looking = signed_in("eve")
    looking.get_by_text("eve is signed in as auditor, and this takes another role").wait_for()
    for name in ("Approve", "Decline", "Send"):
        assert looking.get_by_role("button", name=name, exact=True).count() == 0
    deciding = signed_in("ana")
    deciding.get_by_text("You decide as ana").wait_for()
    assert deciding.get_by_label("Who you are").count() == 0
    deciding.get_by_role("button", name="Decline").click()
    deciding.get_by_text("declined here").wait_for()
    deciding.goto(f"{url}/#/data-owner/releases")
    deciding.get_by_text("By ana.").wait_for()


def test_the_spec_begins_with_what_a_card_says_of_its_columns(finished: tuple[Parties, str], watched: Watched) -> None:
    parties, _ = finished
    columns = copy.deepcopy([*SPEC["data_props"]["features"], {**SPEC["data_props"]["target"], "type": "continuous"}])
    card = {**CARD, "id": "ca" * 32, "party": "1a" * 32, "name": "owner-a", "dataset": "wards", "description": ""}
    card |= {"columns": columns, "terms": "", "size": None, "not_after": "2099-01-01T00:00:00Z", "revision": 1}
    page = at(parties, watched, "model-owner", "model-owner/jobs")
    page.route("**/catalogue?**", lambda route: route.fulfill(json={"cards": [card], "refused": [], "next": None}))
    page.get_by_role("link", name="Find data").click()
    page.get_by_label(f"Ask for {MARKUP} stays").check()
    page.get_by_role("link", name="Ask for this one").click()
    begun = json.loads(page.get_by_label("As JSON").input_value())
    assert begun["dataset"] == "wards"
    assert [one["name"] for one in begun["data_props"]["features"]] == ["age", MARKUP]
    assert begun["data_props"]["target"] == {"name": "days", "range": [0, 4]}
    page.get_by_role("button", name=f"Leave {MARKUP} stays out").click()
    page.get_by_text("No data is chosen.").wait_for()


def test_requests_that_are_not_to_be_believed_are_named_and_older_ones_asked_for(
    finished: tuple[Parties, str], watched: Watched
) -> None:
    parties, _ = finished
    page = at(parties, watched, "model-owner", "model-owner/jobs")
    owner = {"party": "1a" * 32, "name": MARKUP, "dataset": "default", "title": "Stays", "card": "ca" * 32}
    owner |= {"decision": None, "decided_at": None, "conditions": None, "reason": None, "departs": []}
    line = {"title": "the older one", "purpose": "beds", "model_owner": "3b" * 32, "model_owner_name": "acme"}
    line |= {"id": "7c" * 32, "created_at": "2026-01-12T09:28:00Z", "dataset": "default", "owners": [owner] * 1}
    line |= {"approved": 0, "messages": 1, "models": []}
    refused = [{"signer": "5e" * 32, "why": f"{MARKUP} was changed"}]
    page.route("**/requests", lambda route: route.fulfill(json={"requests": [], "refused": refused, "next": 9}))
    older = {"requests": [line], "refused": [], "next": None}
    page.route("**/requests?before=9", lambda route: route.fulfill(json=older))
    page.get_by_role("link", name="Requests").click()
    page.get_by_text(f"{MARKUP} was changed").wait_for()
    page.get_by_role("button", name="Older requests").click()
    page.get_by_role("link", name="the older one").wait_for()
    page.get_by_text("1 message").wait_for()
    page.get_by_role("button", name="The newest requests").click()
    page.get_by_text(f"{MARKUP} was changed").wait_for()
    until(lambda: page.get_by_role("link", name="the older one").count() == 0)
