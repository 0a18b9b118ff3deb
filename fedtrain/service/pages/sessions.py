"""Sessions of people in a browser: a cookie in the place of the token that programs show.

A session is opened by a link that holds good once, or by a token; it may do what that token may now, and nothing once
the token is revoked. Sessions are in memory: a service that starts again has none.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.service.web.caller import Caller, Gate

#: A working day.
SESSION_S = 8 * 3600
LINK_S = 3600
MOST_SESSIONS = 1000
MOST_LINKS = 100


@dataclass(frozen=True)
class _Grant:
    """Whose rights a link or a session gives, and until when; `token_id` None: those of who runs an open service."""

    token_id: str | None
    until: float


class Sessions:
    """The links and sessions of one service: its gate, with a further way in. Of secrets it keeps hashes.

    `monotonic` is the clock, in seconds. The cookie is called after the party: cookies do not know ports, and several
    services on one machine would overwrite each other's.
    """

    def __init__(self, gate: Gate, party_id: str, monotonic: Callable[[], float]) -> None:
        self.cookie = f"fedtrain_session_{party_id[:16]}"
        self._gate = gate
        self._monotonic = monotonic
        self._links: dict[str, _Grant] = {}
        self._sessions: dict[str, _Grant] = {}
        self._shown = re.compile(rf"(?:^|;\s*){self.cookie}=([A-Za-z0-9_-]{{43}})(?:;|$)")

    def new_link(self, token_id: str | None) -> str:
        """Return the code of a link that opens one session, within LINK_S."""
        return self._new(self._links, token_id, LINK_S, MOST_LINKS)

    def open_by_link(self, code: str) -> str | None:
        """Return a new session's secret; None for a code that was used, is too old, or was never one."""
        grant = self._links.pop(sha256_hex(code.encode("utf-8", "surrogatepass")), None)
        return None if grant is None or not self._holds(grant) else self.open(grant.token_id)

    def open(self, token_id: str | None) -> str:
        """Return the secret of a new session with that token's rights."""
        return self._new(self._sessions, token_id, SESSION_S, MOST_SESSIONS)

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """Return who calls: who shows a token is whose it is, session or not. Raises Problem(UNAUTHENTICATED)."""
        in_session = None if "Authorization" in headers else self.caller_of(headers)
        return in_session or self._gate.identify(headers)

    def in_session(self, token_id: str | None) -> Caller | None:
        """As the service's own gate says."""
        return self._gate.in_session(token_id)

    def caller_of(self, headers: Mapping[str, str]) -> Caller | None:
        """Return who the session in a request's cookie is of; None without one, or with one that has ended."""
        grant = self._sessions.get(self._key(headers) or "")
        if grant is None or not self._holds(grant):
            return None
        return self.in_session(grant.token_id)

    def end(self, headers: Mapping[str, str]) -> None:
        """End the request's session, if it has one."""
        self._sessions.pop(self._key(headers) or "", None)

    def _key(self, headers: Mapping[str, str]) -> str | None:
        found = self._shown.search(headers.get("Cookie", ""))
        return None if found is None else sha256_hex(found[1].encode())

    def _new(self, grants: dict[str, _Grant], token_id: str | None, seconds: float, most: int) -> str:
        for key in [key for key, grant in grants.items() if not self._holds(grant)]:
            del grants[key]
        while len(grants) >= most:  # the oldest makes room
            del grants[next(iter(grants))]
        secret = secrets.token_urlsafe(32)
        grants[sha256_hex(secret.encode())] = _Grant(token_id, self._monotonic() + seconds)
        return secret

    def _holds(self, grant: _Grant) -> bool:
        return self._monotonic() < grant.until
