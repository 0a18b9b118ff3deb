"""A federation on ports, Chromium, and what its pages may not do: ask elsewhere, break their policy, throw."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from fedtrain.data_owner.policy.rules import OwnerPolicy
from fedtrain.service.pages.routes import link_path
from fedtrain.simulation.federation import federation

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
MARKUP = "<img src=x onerror=window.owned=1>"
ROWS = f"age,{MARKUP},days\n" + "".join(f"{j % 7 / 10},{j % 5 / 10},{(j * 37) % 11 / 10 + j / 20}\n" for j in range(40))
SPEC = {
    "model_type": "LINEAR_REGRESSION",
    "name": f"{MARKUP} stay",
    "purpose": f"{MARKUP} beds",
    "data_props": {
        "header": True,
        "features": [
            {"name": "age", "type": "continuous", "range": [0, 1], "description": MARKUP},
            {"name": MARKUP, "type": "continuous", "range": [0, 1]},
        ],
        "target": {"name": "days", "range": [0, 4]},
    },
    # A key that protects nothing, for speed.
    "training": {"key_bits": 512, "max_rows": 100, "min_data_owners": 2, "max_data_owners": 2},
}
OWNERS = ("owner-a", "owner-b")


def needed(what: str) -> None:
    """Leave a test out for want of a program, and say so; where everything is to run, fail."""
    why = f"the pages' tests need {what}"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@dataclass
class Parties:
    """Where each party's pages are, and its application."""

    urls: dict[str, str] = field(default_factory=dict)
    apps: dict[str, FastAPI] = field(default_factory=dict)

    def link(self, name: str) -> str:
        """A link that opens a session, as the service would print it."""
        return self.urls[name] + link_path(self.apps[name].state.sessions.new_link(None))

    def client(self, name: str) -> httpx.Client:
        """A client with a session."""
        code = self.link(name).rpartition("/")[2]
        opened = httpx.post(f"{self.urls[name]}/session", json={"code": code}, trust_env=False, timeout=300)
        return httpx.Client(base_url=self.urls[name], cookies=opened.cookies, trust_env=False, timeout=300)


@contextmanager
def serving(folder: Path) -> Iterator[Parties]:
    """Two owners whose people approve every job, with a Facilitator and a Model Owner, each on a port."""
    started: Future[Parties] = Future()
    stop = threading.Event()

    async def serve() -> None:
        tables = {name: folder / f"{name}.csv" for name in OWNERS}
        for path in (*tables.values(), folder / "test.csv"):
            path.write_text(ROWS)
        policy = OwnerPolicy.for_loopback().model_copy(update={"approval": "by_hand", "least_roster": 1})
        async with federation(
            folder, tables, test_data=folder / "test.csv", allow_small_keys=True, owner_policy=policy
        ) as running:
            found = [running.facilitator, running.model_owner, *running.data_owners]
            parties, servers = Parties(), []
            async with asyncio.TaskGroup() as serving:
                for name, party in zip(("facilitator", "model-owner", *OWNERS), found, strict=True):
                    listener = socket.create_server(("127.0.0.1", 0))
                    parties.urls[name] = f"http://127.0.0.1:{listener.getsockname()[1]}"
                    parties.apps[name] = party.app
                    config = uvicorn.Config(party.app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
                    servers.append(uvicorn.Server(config))
                    serving.create_task(servers[-1].serve(sockets=[listener]))
                started.set_result(parties)
                await asyncio.to_thread(stop.wait)
                for server in servers:
                    server.should_exit = True

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            raise

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield started.result()
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Parties]:
    """Parties without a job."""
    with serving(tmp_path) as parties:
        yield parties


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Parties, str]]:
    """Parties with one finished job, and its id."""
    with serving(tmp_path_factory.mktemp("finished")) as parties:
        model_owner = parties.client("model-owner")
        job = approved(parties, SPEC)
        until(lambda: model_owner.get(f"/models/{job}").json()["ended_at"] is not None)
        assert model_owner.get(f"/models/{job}").json()["status"] == "FINISHED"
        yield parties, job


def approved(parties: Parties, spec: Mapping[str, Any]) -> str:
    """Deploy a job that both owners' people approve; return its id."""
    job: str = parties.client("model-owner").post("/models", json=spec).json()["id"]
    for name in OWNERS:
        owner = parties.client(name)
        until(lambda owner=owner: any(one["id"] == job and one["waits_because"] for one in owner.get("/models").json()))
        assert owner.post(f"/models/{job}/approve", json={}).status_code == 200
    return job


@pytest.fixture(scope="session")
def awaited(finished: tuple[Parties, str]) -> str:
    """A job beside the finished one, whose result waits at both owners for people to sign it off."""
    parties, _ = finished
    spec = {**SPEC, "name": "held back", "release": "sign_off", "training": {**SPEC["training"], "optimizer": "newton"}}
    job = approved(parties, spec)
    for name in OWNERS:
        owner = parties.client(name)
        until(lambda owner=owner: owner.get(f"/models/{job}").json()["sign_off"] == "waits")
    return job


@pytest.fixture(scope="session")
def request_made(finished: tuple[Parties, str]) -> str:
    """A request beside the finished job, with a question under it."""
    return requested(finished[0], "owner-a")


def requested(parties: Parties, name: str) -> str:
    """Ask one owner, whose card is published for that while alone; return the request's id."""
    card = {"title": f"{MARKUP} stays", "tags": ["asked"], "columns": "none"}
    spec = {**SPEC, "training": {**SPEC["training"], "min_data_owners": 1}}
    with parties.client(name) as owner, parties.client("model-owner") as model_owner:
        assert owner.put("/datasets/default/card", json=card).status_code == 200
        (found,) = model_owner.get("/catalogue?tag=asked").json()["cards"]
        body = {"title": SPEC["name"], "purpose": SPEC["purpose"], "spec": spec, "datasets": [found["id"]]}
        made = model_owner.post("/requests", json=body)
        assert made.status_code == 201, made.text
        assert owner.delete("/datasets/default/card").status_code == 200
        request: str = made.json()["id"]
        question = {"text": f"{MARKUP} Which wards?"}
        assert model_owner.post(f"/requests/{request}/messages", json=question).status_code == 200
    return request


def until(holds: object) -> None:
    """Wait until it holds; a test that hangs is ended by its own limit."""
    pause = threading.Event()
    while not holds():  # type: ignore[operator]
        pause.wait(0.1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. It keeps an event loop of its own running in this thread, which no other module's tests are to find."""
    if CHROMIUM is None:
        needed("Chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@dataclass
class Watched:
    """Contexts of a browser, and everything that their pages did and may not."""

    browser: Browser
    wrong: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def page(self, origin: str, **options: object) -> Page:
        """A page in a context of its own. What leaves `origin` is noted, and what its policy or a script refuses."""
        context = self.browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(300_000)
        self.contexts.append(context)
        context.add_init_script(
            "addEventListener('securitypolicyviolation', (event) => console.error('POLICY', event.violatedDirective))"
        )
        page = context.new_page()
        page.on("request", lambda request: self._check_address(request.url, origin))
        page.on("pageerror", lambda error: self.wrong.append(f"threw {error}"))
        page.on("console", lambda said: self._check_said(said.text))
        return page

    def _check_address(self, url: str, origin: str) -> None:
        if not url.startswith((f"{origin}/", f"blob:{origin}/")):
            self.wrong.append(f"asked {url}")

    def _check_said(self, text: str) -> None:
        if "POLICY" in text or "Content Security Policy" in text:
            self.wrong.append(text)


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A browser whose pages are held to what they may do, when the test ends."""
    watching = Watched(browser)
    yield watching
    owned = [page.evaluate("window.owned") for context in watching.contexts for page in context.pages]
    for context in watching.contexts:
        context.close()
    assert not any(owned), "markup from others was run"
    assert watching.wrong == []


def at(parties: Parties, watched: Watched, party: str, screen: str) -> Page:
    """A screen, with a session."""
    page = watched.page(parties.urls[party])
    page.goto(parties.link(party))
    page.get_by_role("button", name="End the session").wait_for()
    page.goto(f"{parties.urls[party]}/#/{screen}")
    page.locator("main h1").wait_for()
    return page


def tab_to(page: Page, wanted: Locator) -> Locator:
    """Go to what is wanted by Tab alone, and return it. Fails where a round through the page does not reach it."""
    wanted.wait_for()
    for _ in range(150):
        if wanted.evaluate("one => one === document.activeElement"):
            return wanted
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not reach {wanted}")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `ui/` with exactly the packages that its lock names."""
    if shutil.which("npm") is None:
        needed("node and npm")
    copy = tmp_path_factory.mktemp("sources") / "ui"
    shutil.copytree(ROOT / "ui", copy, ignore=shutil.ignore_patterns("node_modules", ".svelte-kit", "build"))
    command = ["npm", "ci", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy
