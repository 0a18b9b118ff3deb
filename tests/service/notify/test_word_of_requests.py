"""Word of requests: of each once, over a restart too, and of nothing that the pages would not show."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fedtrain.client.agent.requests import Listed
from fedtrain.protocol.documents.identity import Identity
from fedtrain.protocol.documents.request import KeptRequest, OpenRequest, RequestEntry, open_kept
from fedtrain.protocol.documents.signed import SignedDocument
from fedtrain.service.notify import requests as watching
from fedtrain.service.notify.channels import Notice
from fedtrain.service.notify.requests import (
    MOST_A_DAY,
    MOST_NAMES,
    MOST_PAGES,
    RequestNews,
    RequestWatch,
    ToldFile,
    decisions,
    waiting_for,
)
from fedtrain.service.vault.secret_files import write_secret
from fedtrain.spec.problems import Code, Problem
from tests.harness.requests import ASKED_AT, approval, said, signed_request, titled

ACME, ANA, BEN = Identity.generate(), Identity.generate(), Identity.generate()


def asked(*decided: SignedDocument, talk: Sequence[SignedDocument] = (), name: str = "Length of stay") -> OpenRequest:
    """A request of both owners' data, with these decisions and messages."""
    entries = [RequestEntry(kind="decision", signed=one) for one in decided]
    entries += [RequestEntry(kind="message", signed=one) for one in talk]
    request = signed_request(ACME, [ANA, BEN], titled(name=name))
    return open_kept(KeptRequest(request=request, entries=tuple(entries)))


class Looking:
    """One party's service: what it is shown, and what its people heard."""

    def __init__(self, state: Path, news: RequestNews, *shown: OpenRequest) -> None:
        self.state, self.news, self.shown = state, news, list(shown)
        self.heard: list[Notice] = []
        self.pages = 1
        self.refuses: Problem | None = None

    async def listed(self, before: int | None) -> Listed:
        if self.refuses is not None:
            raise self.refuses
        page = 1 if before is None else before
        return Listed(tuple(self.shown), (), page + 1 if page < self.pages else None)

    def watch(self) -> RequestWatch:
        """A service that has started: it knows what is on the disk."""
        told = ToldFile(self.state)
        return RequestWatch("clinic-a", self.news, self.listed, told, self.heard.append, lambda: ASKED_AT)

    def look(self) -> list[str]:
        """Requests that people hear of by one more look, after a restart."""
        self.heard.clear()
        asyncio.run(self.watch().look())
        return [one.id for one in self.heard]


def test_people_of_an_owner_are_told_once_that_a_request_waits_for_them(tmp_path: Path) -> None:
    waits = asked()
    answered = asked(name="another")
    answered = asked(approval(ANA, answered.id), name="another")
    owner = Looking(tmp_path, waiting_for(ANA.party_id), waits, answered)
    assert owner.look() == [waits.id]
    (notice,) = owner.heard
    assert notice.as_json("https://clinic-a.example") == {
        "kind": "request-waits",
        "party": "clinic-a",
        "request_id": waits.id,
        "title": "Length of stay",
        "link": "https://clinic-a.example",
        "at": ASKED_AT.isoformat(),
    }
    assert owner.look() == []
    owner.shown = [asked(talk=[said(ACME, waits.id)])]  # words under it are nothing to decide
    assert owner.look() == []
    owner.shown = []  # a Facilitator that hides it for a while makes nobody hear of it twice
    assert owner.look() == []
    owner.shown = [waits]
    assert owner.look() == []


def test_people_of_a_model_owner_are_told_once_of_each_decision(tmp_path: Path) -> None:
    request = asked().id
    first, second = approval(ANA, request), approval(BEN, request, ASKED_AT + timedelta(hours=1))
    changed = approval(ANA, request, ASKED_AT + timedelta(hours=2), max_rounds=3)
    model_owner = Looking(tmp_path, decisions(), asked())
    assert model_owner.look() == []
    model_owner.shown = [asked(first, second)]
    assert model_owner.look() == [request]  # two at once, and one message
    assert {one.kind for one in model_owner.heard} == {"request-decided"}
    assert model_owner.look() == []
    model_owner.shown = [asked(first, second, changed)]
    assert model_owner.look() == [request]
    model_owner.shown = [asked(first, second)]  # the change is hidden for a while
    assert model_owner.look() == []


def test_what_was_decided_before_anybody_looked_is_no_news(tmp_path: Path) -> None:
    request = asked().id
    model_owner = Looking(tmp_path, decisions(), asked(approval(ANA, request)))
    assert model_owner.look() == []
    model_owner.shown = [asked(approval(ANA, request), approval(BEN, request))]
    assert model_owner.look() == [request]


def test_what_cannot_be_kept_as_told_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Looking(tmp_path, waiting_for(ANA.party_id), asked())

    def no_space(_file: ToldFile, told: Mapping[str, tuple[str, ...]]) -> None:
        raise OSError(f"no space for {len(told)}")

    with monkeypatch.context() as full:
        full.setattr(ToldFile, "write", no_space)
        with pytest.raises(OSError, match="no space for 1"):
            owner.look()
    assert owner.heard == []
    assert owner.look() == [owner.shown[0].id]


@pytest.mark.parametrize("unusable", ["other content", "others may read it", "a folder"])
def test_with_a_file_that_is_unusable_people_go_on_to_be_told_and_it_is_named_once(
    tmp_path: Path, unusable: str
) -> None:
    file, first, second = tmp_path / "notices.json", asked(), asked(name="another")
    if unusable == "a folder":
        file.mkdir()
    else:
        write_secret(file, b'{"requests": {"x": 1}}' if unusable == "other content" else b'{"requests": {}}')
        file.chmod(0o644 if unusable == "others may read it" else 0o600)
    owner = Looking(tmp_path, waiting_for(ANA.party_id), first)
    watch = owner.watch()

    def look() -> list[str]:
        owner.heard.clear()
        asyncio.run(watch.look())
        return [one.id for one in owner.heard]

    with capture_logs() as lines:
        assert [look(), look()] == [[first.id], []]
        owner.shown.append(second)
        assert [look(), look()] == [[second.id], []]
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("notices.json is unusable", "warning")
    assert str(file) in line["why"] and "delete it" in line["remedy"]
    file.rmdir() if file.is_dir() else file.unlink()
    assert look() == []
    assert owner.look() == [], "once it is deleted it is made again with what was told meanwhile"


def test_a_state_folder_that_cannot_be_written_is_logged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "backoff_s", lambda failures, _jitter: 0.001 * failures)
    owner, tried = Looking(tmp_path, waiting_for(ANA.party_id), asked()), 0
    write = ToldFile.write

    def full_at_first(file: ToldFile, told: Mapping[str, tuple[str, ...]]) -> None:
        nonlocal tried
        tried += 1
        if tried < 4:
            raise OSError(errno.EROFS, "Read-only file system")
        write(file, told)

    monkeypatch.setattr(ToldFile, "write", full_at_first)

    async def run() -> None:
        stop = asyncio.Event()

        def tell(notice: Notice) -> None:
            owner.heard.append(notice)
            stop.set()

        watch = RequestWatch("clinic-a", owner.news, owner.listed, ToldFile(tmp_path), tell, lambda: ASKED_AT)
        async with asyncio.timeout(60):
            await watch.run(stop)

    with capture_logs() as lines:
        asyncio.run(run())
    assert [one.id for one in owner.heard] == [owner.shown[0].id]
    assert [(one["event"], one["log_level"]) for one in lines] == [("what people were told cannot be kept", "warning")]
    assert "Read-only" in lines[0]["why"]


def test_an_owner_that_changes_its_decision_every_minute_fills_neither_inboxes_nor_the_disk(tmp_path: Path) -> None:
    """Another owner's decision, which stands, is never told again for it."""
    request, decided = asked().id, [approval(BEN, asked().id)]
    model_owner = Looking(tmp_path, decisions(), asked())
    times = [ASKED_AT + timedelta(minutes=one) for one in range(MOST_A_DAY + 20)]
    now = ASKED_AT
    watch = RequestWatch(
        "acme", model_owner.news, model_owner.listed, ToldFile(tmp_path), model_owner.heard.append, lambda: now
    )
    asyncio.run(watch.look())
    for now in times:
        model_owner.shown = [asked(*decided, approval(ANA, request, now))]
        asyncio.run(watch.look())
    assert len(model_owner.heard) == MOST_A_DAY
    now += timedelta(days=1)
    for _ in range(2):
        asyncio.run(watch.look())
    assert len(model_owner.heard) == MOST_A_DAY + 1, "of the latest once more, the day after"
    for day in range(MOST_NAMES + 10):
        now += timedelta(days=1)
        model_owner.shown = [asked(*decided, approval(ANA, request, now))]
        asyncio.run(watch.look())
        assert len(model_owner.heard) == MOST_A_DAY + 2 + day
    (names,) = (ToldFile(tmp_path).read() or {}).values()
    assert len(names) == MOST_NAMES + 2
    asyncio.run(watch.look())
    assert model_owner.look() == []


def test_a_look_ends_however_many_pages_a_facilitator_says_there_are(tmp_path: Path) -> None:
    owner = Looking(tmp_path, waiting_for(ANA.party_id), asked())
    owner.pages = 10**9
    assert owner.look() == [owner.shown[0].id]
    assert MOST_PAGES < 10


def test_a_facilitator_that_is_away_is_logged_once_and_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "backoff_s", lambda failures, _jitter: 0.001 * failures)
    owner = Looking(tmp_path, waiting_for(ANA.party_id), asked())
    owner.refuses = Problem(Code.FACILITATOR_UNREACHABLE, "Nobody answers.")
    tried = 0

    async def listed(before: int | None) -> Listed:
        nonlocal tried
        tried += 1
        if tried == 4:
            owner.refuses = None
        return await owner.listed(before)

    async def run() -> None:
        stop = asyncio.Event()

        def tell(notice: Notice) -> None:
            owner.heard.append(notice)
            stop.set()

        watch = RequestWatch("clinic-a", owner.news, listed, ToldFile(tmp_path), tell, lambda: ASKED_AT)
        async with asyncio.timeout(60):
            await watch.run(stop)

    with capture_logs() as lines:
        asyncio.run(run())
    assert [one.id for one in owner.heard] == [owner.shown[0].id]
    assert [(one["event"], one["code"]) for one in lines] == [("requests not looked at", "facilitator-unreachable")]
