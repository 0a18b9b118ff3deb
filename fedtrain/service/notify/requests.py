"""Requests for data, looked at every minute, so that people are told of what is new in them: once, over a restart too.

A party learns of a request when it asks the Facilitator for its list. STATE_DIR/notices.json has what was told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
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
#: Names of news that are kept of a request, besides those of what it holds now.
MOST_NAMES: Final = 50
#: Notices of one request within 24 hours: who changes a decision again and again is told of once more later.
MOST_A_DAY: Final = 5
_DAY: Final = timedelta(days=1)


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
        """Keep what was told, of `_MOST_KEPT` requests at most."""
        write_secret(self._path, _Told(requests=dict(told)).model_dump_json().encode())


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
    """Looks at one party's requests, and tells its people of what is new: one notice a request and look, and at most
    `MOST_A_DAY` a request and day."""

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
        self._before: dict[str, tuple[str, ...]] | None = None  # what was told when this process looked last
        self._usable = True
        self._told_at: dict[str, list[datetime]] = {}

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
            except OSError as error:
                failures += 1
                if failures == 1:
                    log.warning("what people were told cannot be kept", why=str(error))
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

        A file that is unusable is left as it is: until it is gone, this process alone knows what was told.

        Raises Problem as the Facilitator, OSError where it cannot be kept.
        """
        kept = await self._read()
        before = self._before if kept is None else kept
        after, fresh = dict(before or {}), []
        silent = before is None and not self._news.from_before
        for opened in reversed(await self._newest()):
            known, current = after.pop(opened.id, ()), tuple(self._news.of(opened))
            new = not set(current) <= set(known)
            if new and not silent and not self._may_tell(opened.id):
                after[opened.id] = known  # the new names stay new
                continue
            others = [name for name in known if name not in current]
            after[opened.id] = (*others[-MOST_NAMES:], *current)
            if new:
                fresh.append(opened)
        after = dict([*after.items()][-_MOST_KEPT:])
        if self._usable and after != kept:
            await asyncio.to_thread(self._told.write, after)
        self._before = after
        self._told_at = {one: times for one, times in self._told_at.items() if one in after}
        for opened in () if silent else fresh:
            self._told_at.setdefault(opened.id, []).append(self._now())
            self._tell(Notice(self._news.kind, self._party, opened.id, opened.document.title, self._now()))

    async def _read(self) -> dict[str, tuple[str, ...]] | None:
        """Return what the file holds, None where there is none or it is unusable."""
        try:
            kept = await asyncio.to_thread(self._told.read)
        except (SecretFileError, OSError) as error:
            if self._usable:
                log.warning("notices.json is unusable", why=str(error), remedy="delete it: it is made again")
            self._usable = False
            return None
        self._usable = True
        return kept

    def _may_tell(self, request_id: str) -> bool:
        times = [at for at in self._told_at.get(request_id, ()) if abs(self._now() - at) < _DAY]
        self._told_at[request_id] = times
        return len(times) < MOST_A_DAY

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
