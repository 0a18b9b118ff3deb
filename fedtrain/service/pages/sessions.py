"""Sessions of people in a browser: a cookie in the place of the token that programs show.

A session is opened by an account's name and password, by a link that holds good once, or by a token. It may do what the
account's role or that token may now, and nothing once the account is disabled, or has another role or password, or the
token is revoked. Sessions are in memory: a service that starts again has none.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fedtrain.protocol.documents.identity import sha256_hex
from fedtrain.service.people.accounts import Account
from fedtrain.service.people.sign_in import People
from fedtrain.service.web.caller import Caller, Gate, OpenGate
from fedtrain.spec.problems import Code, Problem

#: A working day.
SESSION_S = 8 * 3600
#: What an account's session may idle; the pages' event streams are no activity.
IDLE_S = 3600
LINK_S = 3600
MOST_SESSIONS = 1000
MOST_LINKS = 100
#: Header of what a page asks by itself, which is no activity of a person's.
BY_ITSELF = "Fedtrain-By-Itself"


@dataclass
class _Grant:
    """Whose rights a link or a session gives, and until when; those of who runs an open service where neither is named.

    `account`: its id, and its epoch when the session was opened. `idle_until`: an account's session, unless it is used.
    """

    token_id: str | None
    until: float
    account: tuple[int, int] | None = None
    idle_until: float | None = None


class Sessions:
    """The links and sessions of one service: its gate, with a further way in. Of secrets it keeps hashes.

    `monotonic` is the clock, in seconds. The cookie is called after the party: cookies do not know ports, and several
    services on one machine would overwrite each other's. `parties_call`: whether parties without a token are believed
    though people sign in. `people` is there once the service's store is open.
    `by_organisation`: whether a provider signs people in.
    """

    def __init__(
        self, gate: Gate, party_id: str, monotonic: Callable[[], float], *, parties_call: bool = False
    ) -> None:
        self.cookie = f"fedtrain_session_{party_id[:16]}"
        self.people: People | None = None
        self.by_organisation = False
        self._gate = gate
        self._monotonic = monotonic
        self._parties_call = parties_call
        self._links: dict[str, _Grant] = {}
        self._sessions: dict[str, _Grant] = {}
        self._shown = re.compile(rf"(?:^|;\s*){self.cookie}=([A-Za-z0-9_-]{{43}})(?:;|$)")

    def new_link(self, token_id: str | None) -> str:
        """Return the code of a link that opens one session, within LINK_S."""
        return self._new(self._links, _Grant(token_id, self._monotonic() + LINK_S), MOST_LINKS)

    def open_by_link(self, code: str) -> str | None:
        """Return a new session's secret; None for a code that was used, is too old, or was never one."""
        grant = self._links.pop(sha256_hex(code.encode("utf-8", "surrogatepass")), None)
        return None if grant is None or not self._holds(grant) else self.open(grant.token_id)

    def open(self, token_id: str | None) -> str:
        """Return the secret of a new session with that token's rights."""
        return self._new(self._sessions, _Grant(token_id, self._monotonic() + SESSION_S), MOST_SESSIONS)

    def open_for(self, account: Account) -> str:
        """Return the secret of a new session of that account, as the account is now."""
        now = self._monotonic()
        grant = _Grant(None, now + SESSION_S, (account.id, account.epoch), now + IDLE_S)
        return self._new(self._sessions, grant, MOST_SESSIONS)

    def identify(self, headers: Mapping[str, str], *, active: bool = True) -> Caller:
        """Return who calls: who shows a token is whose it is, session or not. Raises Problem(UNAUTHENTICATED).

        It may read the store. `active`: whether a person's session counts as used by it.
        """
        in_session = None if "Authorization" in headers else self.caller_of(headers, active=active)
        who = in_session or self._gate.identify(headers)
        if who.authenticated or who.decides or (self._parties_call and who.party_id is not None):
            return who
        if self.ask_to_sign_in():
            path = self._gate.decisions.path if isinstance(self._gate, OpenGate) else None
            raise Problem(
                Code.UNAUTHENTICATED,
                "People sign in here with their accounts, on the pages. Programs show a token; the command `fedtrain`, "
                "as the user that runs the service, does so by itself.",
                token_file=None if path is None else str(path),
            )
        return who

    def ask_to_sign_in(self) -> bool:
        """Return whether the party has accounts, so that nobody looks at its service without one, or a token.

        Where people sign in by their organisation it has, from the start.
        """
        return self.by_organisation or (self.people is not None and self.people.accounts.any())

    def in_session(self, token_id: str | None) -> Caller | None:
        """As the service's own gate says."""
        return self._gate.in_session(token_id)

    def caller_of(self, headers: Mapping[str, str], *, active: bool = False) -> Caller | None:
        """Return who the session in a request's cookie is of; None without one, or with one that has ended."""
        grant = self._sessions.get(self._key(headers) or "")
        if grant is None or not self._holds(grant):
            return None
        if grant.account is None:
            return self.in_session(grant.token_id)
        account = self._account(grant)
        if account is None:
            return None
        if active and not _by_itself(headers):
            grant.idle_until = self._monotonic() + IDLE_S
        return Caller(None, None, True, account=account.name, person_role=account.role)

    def account_of(self, headers: Mapping[str, str]) -> Account | None:
        """Return whose account a request's session is of; None without one, or with one of a token or link."""
        grant = self._sessions.get(self._key(headers) or "")
        return None if grant is None or not self._holds(grant) else self._account(grant)

    def end(self, headers: Mapping[str, str]) -> None:
        """End the request's session, if it has one."""
        self._sessions.pop(self._key(headers) or "", None)

    def _account(self, grant: _Grant) -> Account | None:
        if grant.account is None or self.people is None:
            return None
        return self.people.accounts.holding(*grant.account)

    def _key(self, headers: Mapping[str, str]) -> str | None:
        found = self._shown.search(headers.get("Cookie", ""))
        return None if found is None else sha256_hex(found[1].encode())

    def _new(self, grants: dict[str, _Grant], grant: _Grant, most: int) -> str:
        for key in [key for key, one in grants.items() if not self._holds(one)]:
            del grants[key]
        while len(grants) >= most:  # the oldest makes room
            del grants[next(iter(grants))]
        secret = secrets.token_urlsafe(32)
        grants[sha256_hex(secret.encode())] = grant
        return secret

    def _holds(self, grant: _Grant) -> bool:
        now = self._monotonic()
        return now < grant.until and (grant.idle_until is None or now < grant.idle_until)


def _by_itself(headers: Mapping[str, str]) -> bool:
    """Return whether a page asked, and not a person: it says so, or opens a stream of events, again and again."""
    return BY_ITSELF in headers or "text/event-stream" in headers.get("Accept", "")
