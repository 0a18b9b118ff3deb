"""The two ways out of a notice: a mail server, and a webhook. Everything here blocks.

Where they lead is the operator's own setting, and nothing that another party says reaches an address. No redirect is
followed, and no answer is read.
"""

from __future__ import annotations

import hmac
import json
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

import httpx
import structlog

from fedtrain.client.tls import client_context
from fedtrain.service.notify.settings import EmailSettings, Kind, NotifySettings, WebhookSettings
from fedtrain.service.vault.secret_files import SecretFileError, read_secret
from fedtrain.spec.shown_text import shown

log = structlog.get_logger("notify")

TIMEOUT_S = 20.0
SHORTEST_SECRET = 16
MOST_TITLE = 200
SIGNATURE_HEADER, TIME_HEADER = "Fedtrain-Signature", "Fedtrain-Time"
_SAYS: dict[Kind, str] = {
    "job-waits": "A job waits for a person to approve or deny it",
    "sign-off-waits": "A result waits for a person to sign it off",
    "job-finished": "A job has finished",
    "job-failed": "A job has failed",
    "request-waits": "A request waits for a person to approve or decline it",
    "request-decided": "An owner has decided about a request",
}

Send = Callable[["Notice"], None]


class NotSentError(Exception):
    """A notice was not taken. `passes`: trying again may help."""

    def __init__(self, why: str, *, passes: bool) -> None:
        super().__init__(why)
        self.passes = passes


@dataclass(frozen=True)
class Notice:
    """Word of one thing: its kind, the party that is told, and the job or request by its id.

    `title`: of the job or request, in another party's words.
    """

    kind: Kind
    party: str
    id: str
    title: str | None
    at: datetime

    @property
    def about(self) -> Literal["job", "request"]:
        return "request" if self.kind in ("request-waits", "request-decided") else "job"

    def as_json(self, link: str | None) -> dict[str, str | None]:
        """Return what is sent by a webhook, of which nothing is secret."""
        return {
            "kind": self.kind,
            "party": self.party,
            f"{self.about}_id": self.id,
            "title": None if self.title is None else _one_line(self.title),
            "link": link,
            "at": self.at.isoformat(),
        }


def channels_of(settings: NotifySettings, state_dir: Path) -> dict[str, Send]:
    """Return how notices are sent, by name. Paths begin at the state folder.

    Raises SecretFileError for a secret that cannot be used, TlsError for a CA that is none.
    """
    found: dict[str, Send] = {}
    if (email := settings.email) is not None:
        password = None if email.password_file is None else _secret(state_dir / email.password_file, 1).decode()
        context = client_context(email.ca_file and state_dir / email.ca_file)
        found["email"] = lambda notice: send_email(email, password, context, notice, settings.link)
    if (webhook := settings.webhook) is not None:
        secret = _secret(state_dir / webhook.secret_file, SHORTEST_SECRET)
        trusted = client_context(webhook.ca_file and state_dir / webhook.ca_file)
        found["webhook"] = lambda notice: send_webhook(webhook, secret, trusted, notice, settings.link)
    return found


def send_email(
    settings: EmailSettings, password: str | None, context: ssl.SSLContext, notice: Notice, link: str | None
) -> None:
    """Hand one message to the mail server. Raises NotSentError where it takes it for nobody."""
    message = EmailMessage()
    message["Subject"] = f"federated-trainer at {notice.party}: {_SAYS[notice.kind].lower()}"  # nobody else's words
    message["From"], message["To"] = settings.sender, ", ".join(settings.recipients)
    said = notice.as_json(link)
    lines = [f"{_SAYS[notice.kind]} at {notice.party}.", "", f"{notice.about.capitalize()} {notice.id}"]
    lines += [f"Called, by whoever asked for it: {said['title']}"] if said["title"] is not None else []
    lines += ["", link] if link is not None else []
    message.set_content("\n".join(lines) + "\n")
    try:
        with _connected(settings, context) as server:
            if settings.user is not None and password is not None:
                server.login(settings.user, password)
            refused = server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise NotSentError(f"the mail server answered {error.smtp_code}", passes=400 <= error.smtp_code < 500) from None
    except smtplib.SMTPRecipientsRefused as error:
        passes = all(400 <= code < 500 for code, _ in error.recipients.values())
        raise NotSentError("the mail server refused the recipients", passes=passes) from None
    except ssl.SSLCertVerificationError as error:
        raise NotSentError(f"the mail server's certificate is refused: {error.verify_message}", passes=False) from None
    except (smtplib.SMTPServerDisconnected, OSError) as error:
        raise NotSentError(f"the mail server is not reached: {type(error).__name__}", passes=True) from None
    except smtplib.SMTPException as error:
        raise NotSentError(f"the mail server cannot do what is asked: {type(error).__name__}", passes=False) from None
    if refused:
        log.warning(
            "notice not sent to everybody",
            channel="email",
            kind=notice.kind,
            refused=len(refused),
            recipients=len(settings.recipients),
            **{notice.about: notice.id},
        )


def _connected(settings: EmailSettings, context: ssl.SSLContext) -> smtplib.SMTP:
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.server, settings.port, timeout=TIMEOUT_S, context=context)
    server = smtplib.SMTP(settings.server, settings.port, timeout=TIMEOUT_S)
    if settings.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def send_webhook(
    settings: WebhookSettings, secret: bytes, context: ssl.SSLContext, notice: Notice, link: str | None
) -> None:
    """Post one notice, signed. Raises NotSentError."""
    body = json.dumps(notice.as_json(link)).encode()
    time = notice.at.isoformat()
    headers = {
        "Content-Type": "application/json",
        TIME_HEADER: time,
        SIGNATURE_HEADER: f"sha256={signature(secret, time, body)}",
    }
    try:
        with (
            httpx.Client(verify=context, timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("POST", settings.url, content=body, headers=headers) as answer,
        ):
            status = answer.status_code
    except httpx.HTTPError as error:
        raise NotSentError(f"the webhook is not reached: {type(error).__name__}", passes=True) from None
    if not 200 <= status < 300:
        raise NotSentError(f"the webhook answered {status}", passes=status >= 500 or status == 429)


def signature(secret: bytes, time: str, body: bytes) -> str:
    """Return HMAC-SHA256, in hex, over the time as it is sent, a dot, and the exact body."""
    return hmac.digest(secret, time.encode() + b"." + body, "sha256").hex()


def _one_line(title: str) -> str:
    return shown(" ".join(title.split()))[:MOST_TITLE]


def _secret(path: Path, shortest: int) -> bytes:
    try:
        secret = read_secret(path).strip()
    except FileNotFoundError:
        raise SecretFileError(f"{path} is not there: [notify] names it as a secret.") from None
    if len(secret) < shortest:
        raise SecretFileError(f"{path} holds {len(secret)} bytes, and {shortest} are needed at least.")
    return secret
