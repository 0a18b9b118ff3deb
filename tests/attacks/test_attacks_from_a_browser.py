"""A person has a session open, and visits a page of somebody else's: it decides nothing with that person's browser."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
JOB = "0" * 32


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A Data Owner at a terminal: its address, and the link that it shows there."""
    folder = tmp_path_factory.mktemp("owner")
    ours, theirs = pty.openpty()
    log = (folder / "log").open("wb")
    command = ["-m", "fedtrain.cli.main", "data-owner", "--port", "0", "--state-dir", folder / "state"]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdout=theirs,
        stderr=log,
        env={**os.environ, "NO_COLOR": "1", "FEDTRAIN_WORKERS": "1"},
    )
    os.close(theirs)
    try:
        shown = ""
        while not (found := re.search(r"Pages: (http://[^/]+)(/#/open/\S+)\r?\n", shown)):
            shown += os.read(ours, 1000).decode()
        assert found[2] not in (folder / "log").read_text()
        yield found[1], found[2].removeprefix("/#/open/")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        log.close()


@pytest.fixture(scope="module")
def browser(started: tuple[str, str]) -> Iterator[httpx.Client]:
    """A browser with the person's session, on the service's own page."""
    url, code = started
    with httpx.Client(base_url=url, trust_env=False, timeout=300, headers={"Origin": url}) as client:
        assert client.post("/session", json={"code": code}).json()["decides"]
        yield client


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


def test_the_persons_own_page_decides(browser: httpx.Client) -> None:
    assert slug(browser.post(f"/models/{JOB}/approve")) == "model-not-found"


def test_a_link_was_good_once(started: tuple[str, str], browser: httpx.Client) -> None:
    url, code = started
    assert slug(httpx.post(f"{url}/session", json={"code": code}, trust_env=False, timeout=300)) == "unauthenticated"


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "https://127.0.0.1", "null"])
@pytest.mark.parametrize("path", [f"/models/{JOB}/approve", f"/models/{JOB}/deny", "/session/links", "/session"])
def test_another_page_sends_nothing_that_changes(browser: httpx.Client, origin: str, path: str) -> None:
    """Another port of this machine is the same site to a browser, which then sends the cookie."""
    assert slug(browser.post(path, json={}, headers={"Origin": origin})) == "foreign-origin"
    assert browser.get("/session").json()["session"]


def test_another_page_does_not_end_the_session(browser: httpx.Client) -> None:
    assert slug(browser.delete("/session", headers={"Origin": "http://127.0.0.1:1"})) == "foreign-origin"
    assert browser.get("/session").json()["session"]


def test_a_form_of_another_page_sends_nothing(browser: httpx.Client) -> None:
    answer = browser.post(f"/models/{JOB}/approve", data={"a": "b"}, headers={"Sec-Fetch-Site": "same-site"})
    assert slug(answer) == "foreign-origin"


def test_a_name_that_leads_here_reads_nothing(browser: httpx.Client) -> None:
    for path in ("/", "/models", "/session", "/pages/start.js"):
        assert slug(browser.get(path, headers={"Host": "evil.example"})) == "foreign-host"


def test_no_page_is_shown_within_another(browser: httpx.Client) -> None:
    answer = browser.get("/", headers={"Accept": "text/html"})
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
