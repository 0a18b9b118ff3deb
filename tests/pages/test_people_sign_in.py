"""People who sign in on the pages: by name and password, and by their organisation's provider on another site."""

from __future__ import annotations

import pytest
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Browser, Page, Response

from fedtrain.service.pages.sessions import IDLE_S
from fedtrain.service.people.organisation import RETURN_PATH, Organisation, Provider
from fedtrain.service.people.permissions import PersonRole
from fedtrain.service.runtime.system_clock import SystemClock
from tests.harness.cheap_passwords import make_cheap
from tests.pages.conftest import MARKUP, SPEC, Parties, Watched, at, tab_to

pytestmark = pytest.mark.slow
RIGHT, OTHER = "correct horse battery", "staple in the haystack"


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cheap(monkeypatch)


def sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_a_page_shows_and_does_what_the_role_of_who_signed_in_may(fresh: Parties, watched: Watched) -> None:
    url, people = fresh.urls["owner-a"], fresh.apps["owner-a"].state.sessions.people
    people.accounts.add("ana", PersonRole.OWNER, RIGHT, people.now())
    people.accounts.add("eve", PersonRole.AUDITOR, RIGHT, people.now())
    page, elsewhere = watched.page(url), watched.page(url)

    page.goto(url)
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.get_by_text("Inbox", exact=True).count() == 1  # in the navigation; of what is behind it nothing
    sign_in(page, "eve", OTHER)
    page.get_by_text("The name or the password is not right").wait_for()
    sign_in(page, "eve", RIGHT)
    page.get_by_text("eve · auditor").wait_for()
    page.goto(f"{url}/#/data-owner/datasets")
    page.get_by_text("eve is signed in as auditor, and this takes another role").wait_for()
    page.get_by_role("button", name="End the session").click()
    page.get_by_role("heading", name="Sign in").wait_for()

    for one in (page, elsewhere):
        one.goto(url)
        sign_in(one, "ana", RIGHT)
        one.get_by_text("ana · owner").wait_for()
    page.get_by_text("ana · owner").click()
    page.get_by_label("Password until now").fill(RIGHT)
    page.get_by_label("New password").fill(OTHER)
    page.get_by_role("button", name="Change the password").click()
    page.get_by_text("Other sessions of this account have ended.").wait_for()
    page.goto(f"{url}/#/data-owner/datasets")
    page.get_by_role("heading", name="Datasets").first.wait_for()
    assert people.sign_in("ana", OTHER, "").name == "ana"
    elsewhere.reload()
    elsewhere.get_by_role("heading", name="Sign in").wait_for()


def test_a_page_whose_session_has_ended_in_another_tab_asks_to_sign_in(fresh: Parties, watched: Watched) -> None:
    url, people = fresh.urls["owner-a"], fresh.apps["owner-a"].state.sessions.people
    people.accounts.add("ana", PersonRole.OWNER, RIGHT, people.now())
    page = watched.page(url)
    page.goto(f"{url}/#/data-owner/inbox")
    sign_in(page, "ana", RIGHT)
    page.get_by_text("No job waits for a person.").wait_for()
    page.evaluate("fetch('session', { method: 'DELETE' })")
    with fresh.client("model-owner") as model_owner:
        assert model_owner.post("/models", json=SPEC).is_success  # of which the page would hear
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.get_by_text("ana · owner").count() == 0


def test_people_are_added_changed_and_disabled_by_keyboard_alone(fresh: Parties, watched: Watched) -> None:
    url = fresh.urls["facilitator"]
    looking = watched.page(url)
    looking.goto(url)
    looking.get_by_role("link", name="Jobs").wait_for()
    assert looking.get_by_role("link", name="People").count() == 0  # for who may manage people alone
    looking.goto(f"{url}/#/people")
    looking.get_by_label("Token").wait_for()

    page = at(fresh, watched, "facilitator", "facilitator/federation")
    tab_to(page, page.get_by_role("link", name="People"))
    page.keyboard.press("Enter")
    page.get_by_text("This party has no accounts").wait_for()

    def add(name: str, role: str) -> None:
        tab_to(page, page.get_by_label("Name"))
        page.keyboard.type(name)
        page.keyboard.press("Tab")
        page.keyboard.type(role)  # a list goes to what is typed
        page.keyboard.press("Tab")
        page.keyboard.type(RIGHT)
        page.keyboard.press("Enter")
        page.get_by_text(f"{name} may sign in.").wait_for()

    add("ana", "owner")
    add(MARKUP, "auditor")
    people = fresh.apps["facilitator"].state.sessions.people
    assert [(one.name, one.role.value) for one in people.accounts.all()] == [(MARKUP, "auditor"), ("ana", "owner")]
    assert RIGHT not in page.content()
    page.keyboard.press("Tab")
    tab_to(page, page.get_by_label("Name"))
    page.keyboard.type("ANA")
    tab_to(page, page.get_by_label("First password"))
    page.keyboard.type(RIGHT)
    page.keyboard.press("Enter")
    assert "there is an account 'ANA' already" in page.get_by_role("alert").inner_text()

    theirs = watched.page(url)
    theirs.goto(url)
    sign_in(theirs, MARKUP, RIGHT)
    theirs.get_by_text("· auditor").wait_for()

    tab_to(page, page.get_by_label(f"Role of {MARKUP}"))
    page.keyboard.type("data")
    tab_to(page, page.get_by_role("button", name="Give this role"))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Give this role").wait_for(state="detached")
    assert {one.name: one.role.value for one in people.accounts.all()}[MARKUP] == "data-scientist"
    theirs.reload()
    theirs.get_by_role("heading", name="Sign in").wait_for()
    tab_to(page, page.get_by_role("button", name=f"Disable {MARKUP}"))
    page.keyboard.press("Enter")
    page.get_by_role("button", name=f"Enable {MARKUP}").wait_for()
    sign_in(theirs, MARKUP, RIGHT)
    theirs.get_by_text("or the account is disabled").wait_for()
    tab_to(page, page.get_by_role("button", name=f"Enable {MARKUP}"))
    page.keyboard.press("Enter")
    page.get_by_role("button", name=f"Disable {MARKUP}").wait_for()
    tab_to(page, page.get_by_role("button", name="Disable ana"))
    page.keyboard.press("Enter")
    page.get_by_text("ana is the last owner here").wait_for()


def test_an_open_page_that_asks_by_itself_keeps_no_session_alive(
    fresh: Parties, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, sessions = fresh.urls["facilitator"], fresh.apps["facilitator"].state.sessions
    sessions.people.accounts.add("ana", PersonRole.OWNER, RIGHT, sessions.people.now())
    passed_s = 0.0
    monkeypatch.setattr(sessions, "_monotonic", lambda: passed_s)
    page = watched.page(url)
    page.goto(url)

    def by_itself(answer: Response) -> bool:
        return answer.url.endswith("/federation") and "fedtrain-by-itself" in answer.request.headers

    with page.expect_response(by_itself):
        sign_in(page, "ana", RIGHT)
    page.get_by_role("row", name="owner-a").wait_for()
    for number in range(2):
        passed_s += IDLE_S / 2
        with page.expect_response(by_itself) as answer:
            # Somebody polls for the first time.
            fresh.apps["facilitator"].state.sightings.note(f"{number}{'ab' * 31}c", None, {})
        assert answer.value.status == (200 if passed_s < IDLE_S else 401)
        if passed_s < IDLE_S:
            page.get_by_role("row", name=f"{number}abababab").wait_for()
    page.get_by_role("heading", name="Sign in").wait_for()


def test_a_browser_goes_to_the_organisations_site_and_comes_back_signed_in(fresh: Parties, browser: Browser) -> None:
    """Its cookies are of another site's journey: the attempt's has to come along, the session's from then on."""
    url, app = fresh.urls["facilitator"], fresh.apps["facilitator"]
    ben = User(sub="ben", claims={"email": "ben@clinic.example", "groups": ["fedtrain-owners"]})
    with run_server_in_thread(user_claims=[ben]) as server:
        issuer = f"http://localhost:{server.server_port}"  # another site than 127.0.0.1
        roles = {"fedtrain-owners": PersonRole.OWNER}
        provider = Provider(issuer, "fedtrain", "a-secret", f"{url}{RETURN_PATH}", "groups", roles, "email")
        app.state.organisation = Organisation(provider, SystemClock())
        app.state.sessions.by_organisation = True
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        page.get_by_role("link", name="Sign in by your organisation").click()
        page.wait_for_url(f"{issuer}/**")
        page.locator("input[name=sub]").fill("ben")
        page.get_by_role("button", name="Authorize", exact=True).click()
        page.wait_for_url(f"{url}/**")
        page.get_by_text("ben@clinic.example · owner").wait_for()
        (session,) = [one for one in context.cookies() if one["name"] == app.state.sessions.cookie]
        assert (session["sameSite"], session["httpOnly"]) == ("Strict", True)
        context.close()
