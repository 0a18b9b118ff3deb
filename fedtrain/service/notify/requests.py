"""Requests for data, looked at every minute, so that people are told of what is new in them: once, over a restart too.

A party learns of a request when it asks the Facilitator for its list. STATE_DIR/notices.json has what was told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import structlog
from pydantic import Field

from fedtrain.client.agent.requests import Listed
from fedtrain.client.retry import backoff_s
from fedtrain.protocol.documents.request import OpenRequest
from fedtrain.protocol.documents.signed import Hash, parse_json
from fedtrain.service.notify.channels import Notice
from fedtrain.service.vault.secret_files import SecretFileError, read_secret, write_secret
from fedtrain.spec.model_spec import Strict
from fedtrain.spec.problems import Problem

log = structlog.get_logger("notify")

INTERVAL_S: Final = 60.0
#: Pages of the list that a look goes through, the newest first.
MOST_PAGES: Final = 5
#: Requests of which it is kept what was told, more than a look goes through.
_MOST_KEPT: Final = 1000


class _Told(Strict):
    requests: Annotated[dict[Hash, tuple[str, ...]], Field(max_length=_MOST_KEPT)]


class ToldFile:
    """Keeps what people were told of each request. Everything here blocks."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "notices.json"

    def read(self) -> dict[str, tuple[str, ...]] | None:
        """Return what was told, by request; None where nobody has looked yet. Raises SecretFileError."""
        try:
            return dict(parse_json(read_secret(self._path), _Told).requests)
        except FileNotFoundError:
            return None
        except Problem as problem:
            raise SecretFileError(f"{self._path} does not hold what was told: {problem.detail}") from None

    def write(self, told: Mapping[str, tuple[str, ...]]) -> None:
        """Keep what was told, of the requests that come last in `told` where there are too many."""
        kept = dict(list(told.items())[-_MOST_KEPT:])
        write_secret(self._path, _Told(requests=kept).model_dump_json().encode())


@dataclass(frozen=True)
class RequestNews:
    """News in requests that one party's people are told of, as a kind of notice.

    `of`: names of what is new in a request, the same whenever it is asked. `from_before`: whether people are also told
    of what was there when this party looked for the first time.
    """

    kind: Literal["request-waits", "request-decided"]
    of: Callable[[OpenRequest], Collection[str]]
    from_before: bool


def waiting_for(party_id: str) -> RequestNews:
    """Return what an owner's people are told: that a request waits for them."""
    return RequestNews("request-waits", lambda one: () if one.decision_of(party_id) else ("waits",), from_before=True)


def decisions() -> RequestNews:
    """Return what a Model Owner's people are told: that an owner has decided."""

    def latest(opened: OpenRequest) -> Collection[str]:
        found = (opened.decision_of(party) for party in opened.document.parties)
        return [f"{one.party[:16]} {one.at.isoformat()}" for one in found if one is not None]

    return RequestNews("request-decided", latest, from_before=False)


class RequestWatch:
    """Looks at one party's requests, and tells its people of what is new: one notice a request and look."""

    def __init__(
        self,
        party: str,
        news: RequestNews,
        listed: Callable[[int | None], Awaitable[Listed]],
        told: ToldFile,
        tell: Callable[[Notice], None],
        now: Callable[[], datetime],
    ) -> None:
        self._party = party
        self._news = news
        self._listed = listed
        self._told = told
        self._tell = tell
        self._now = now

    async def run(self, stop: asyncio.Event) -> None:
        """Look until the service stops; what fails is tried again."""
        failures = 0
        while not stop.is_set():
            try:
                await self.look()
                failures = 0
            except Problem as problem:
                failures += 1
                if failures == 1:
                    log.warning("requests not looked at", code=problem.code.slug, why=problem.detail)
            except Exception:  # the service goes on, and what waits is on its pages
                failures += 1
                log.exception("looking at requests broke")
            pause_s = backoff_s(failures, random.random()) if failures else INTERVAL_S  # noqa: S311
            try:
                await asyncio.wait_for(stop.wait(), pause_s)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Look once. It is kept that people were told before they are: a stop in between tells nobody twice.

        Raises Problem as the Facilitator, SecretFileError for a file that is unusable, OSError.
        """
        before = await asyncio.to_thread(self._told.read)
        after, fresh = dict(before or {}), []
        for opened in reversed(await self._newest()):
            known = after.pop(opened.id, ())
            new = tuple(name for name in self._news.of(opened) if name not in known)
            after[opened.id] = known + new
            if new:
                fresh.append(opened)
        if after != before:
            await asyncio.to_thread(self._told.write, after)
        if before is None and not self._news.from_before:
            return
        for opened in fresh:
            self._tell(Notice(self._news.kind, self._party, opened.id, opened.document.title, self._now()))

    async def _newest(self) -> list[OpenRequest]:
        found: list[OpenRequest] = []
        before: int | None = None
        for _ in range(MOST_PAGES):
            page = await self._listed(before)
            found += page.requests
            before = page.next
            if before is None:
                break
        return found
