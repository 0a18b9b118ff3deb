"""Notices by e-mail and webhook: what they say, what they never say, and what a server that fails does to a job."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_string, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from fedtrain.cli.trust.certificates import make_ca
from fedtrain.service.notify.channels import (
    SIGNATURE_HEADER,
    TIME_HEADER,
    Notice,
    NotSentError,
    channels_of,
    signature,
)
from fedtrain.service.notify.notifier import MOST_WAITING, Notifier
from fedtrain.service.notify.settings import KINDS, EmailSettings, NotifySettings
from fedtrain.service.vault.secret_files import SecretFileError, write_secret
from tests.harness.certificates import issue

SECRET = b"0123456789abcdef0123"
LINK = "https://bank-a.example:5443"
NOTICE = Notice(
    "job-waits", "bank-a", "0f" * 16, "stays\nBcc: eve@example.org\u202e \x1b[2J", datetime(2026, 5, 4, tzinfo=UTC)
)


class _Hook(ThreadingHTTPServer):
    """Takes POSTs, and answers them with `statuses` in turn, the last of them for ever."""

    daemon_threads = True

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _HookRequest)
        self.statuses = list(statuses)
        self.taken: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class _HookRequest(BaseHTTPRequestHandler):
    server: _Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((dict(self.headers), body))
        status = self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0]
        self.send_response(status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base names it
        return


class _Mail(socketserver.ThreadingTCPServer):
    """A mail server that keeps what it is given. `refuses`: what it answers to RCPT in the place of 250.

    `refused`: to which addresses; to all where it is empty.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self,
        context: ssl.SSLContext | None = None,
        *,
        at_once: bool = True,
        refuses: str = "",
        refused: tuple[str, ...] = (),
    ) -> None:
        super().__init__(("127.0.0.1", 0), _MailSession)
        self.context, self.at_once, self.refuses, self.refused = context, at_once, refuses, refused
        self.taken: list[str] = []
        self.said: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _MailSession(socketserver.BaseRequestHandler):
    server: _Mail
    ANSWERS: ClassVar[dict[str, str]] = {"MAIL": "250 ok", "AUTH": "235 ok", "QUIT": "221 bye", "RSET": "250 ok"}

    def handle(self) -> None:
        line = self.request
        if self.server.context is not None and self.server.at_once:
            try:
                line = self.server.context.wrap_socket(line, server_side=True)
            except (ssl.SSLError, OSError):
                return  # the caller did not believe the certificate
        file = line.makefile("rwb", 0)
        secure = self.server.at_once
        file.write(b"220 mail\r\n")
        while (raw := file.readline()) != b"":
            said = raw.decode().strip()
            self.server.said.append(said)
            word = said.split(" ", 1)[0].upper()
            if word == "EHLO":
                offers = [] if secure or self.server.context is None else ["STARTTLS"]
                answers = ["mail", *offers, "AUTH PLAIN"]
                text = "".join(f"250{' ' if one is answers[-1] else '-'}{one}\r\n" for one in answers)
            elif word == "STARTTLS" and self.server.context is not None:
                file.write(b"220 go\r\n")
                line = self.server.context.wrap_socket(line, server_side=True)
                file, secure, text = line.makefile("rwb", 0), True, ""
            elif word == "RCPT":
                meant = not self.server.refused or any(one in said for one in self.server.refused)
                text = f"{(meant and self.server.refuses) or '250 ok'}\r\n"
            elif word == "DATA":
                file.write(b"354 go\r\n")
                lines = []
                while (one := file.readline()) != b".\r\n":
                    lines.append(one.decode())
                self.server.taken.append("".join(lines))
                text = "250 kept\r\n"
            else:
                text = self.ANSWERS.get(word, "502 what") + "\r\n"
            if text:
                file.write(text.encode())
            if word == "QUIT":
                return


@contextmanager
def served(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def settings(state: Path, **more: Any) -> NotifySettings:
    write_secret(state / "hook.secret", SECRET)
    write_secret(state / "mail.password", b"correct horse")
    return NotifySettings.model_validate({"link": LINK, **more})


def webhook(state: Path, url: str) -> NotifySettings:
    return settings(state, webhook={"url": url, "secret_file": "hook.secret"})


def email(state: Path, port: int, **more: Any) -> NotifySettings:
    fields = {
        "server": "localhost",
        "port": port,
        "sender": "fedtrain@bank-a.example",
        "recipients": ["ana@bank-a.example"],
    }
    return settings(state, email=fields | more)


def test_a_webhook_is_signed_and_says_nothing_but_kind_party_job_title_and_link(tmp_path: Path) -> None:
    with served(_Hook(204)) as hook:
        channels_of(webhook(tmp_path, hook.url), tmp_path)["webhook"](NOTICE)
    ((headers, body),) = hook.taken
    assert headers[SIGNATURE_HEADER] == f"sha256={signature(SECRET, headers[TIME_HEADER], body)}"
    assert headers[SIGNATURE_HEADER] != f"sha256={signature(SECRET, headers[TIME_HEADER], body + b' ')}"
    said = json.loads(body)
    assert said.pop("title") == "stays Bcc: eve@example.org\\u202e \\u001b[2J"
    assert said == {
        "kind": "job-waits",
        "party": "bank-a",
        "job_id": "0f" * 16,
        "link": LINK,
        "at": "2026-05-04T00:00:00+00:00",
    }


@pytest.mark.parametrize(("status", "passes"), [(503, True), (429, True), (404, False), (302, False)])
def test_a_webhook_that_refuses_is_told_apart_from_one_that_is_away_and_no_redirect_is_followed(
    status: int, passes: bool, tmp_path: Path
) -> None:
    with served(_Hook(status)) as hook, pytest.raises(NotSentError, match=str(status)) as caught:
        channels_of(webhook(tmp_path, hook.url), tmp_path)["webhook"](NOTICE)
    assert caught.value.passes is passes and len(hook.taken) == 1
    with pytest.raises(NotSentError, match="not reached") as away:
        channels_of(webhook(tmp_path, hook.url), tmp_path)["webhook"](NOTICE)
    assert away.value.passes


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A CA's file, and the TLS of a server called localhost."""
    folder = tmp_path_factory.mktemp("tls")
    now = datetime.now(UTC)
    ca = make_ca("mail", now, now + timedelta(days=2))
    pair = issue(ca, "localhost", ["localhost"], now, now + timedelta(days=1))
    for name, content in (("ca.pem", ca.certificate), ("cert.pem", pair.certificate), ("key.pem", pair.key)):
        write_secret(folder / name, content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "ca.pem", context


@pytest.mark.parametrize("security", ["tls", "starttls", "none"])
def test_an_email_has_the_title_in_its_body_alone_and_the_password_under_tls(
    security: str, certified: tuple[Path, ssl.SSLContext], tmp_path: Path
) -> None:
    ca, context = certified
    account = {} if security == "none" else {"user": "ana", "password_file": "mail.password", "ca_file": str(ca)}
    with served(_Mail(None if security == "none" else context, at_once=security != "starttls")) as mail:
        channels_of(email(tmp_path, mail.port, security=security, **account), tmp_path)["email"](NOTICE)
    message = message_from_string(mail.taken[0], policy=policy.default)
    assert message["Subject"].strip() == "federated-trainer at bank-a: a job waits for a person to approve or deny it"
    assert message["To"] == "ana@bank-a.example" and message["Bcc"] is None
    body = message.get_content()
    assert "asked for it: stays Bcc: eve@example.org" in body and LINK in body and "\x1b" not in body
    assert [line for line in mail.said if line.startswith("rcpt")] == ["rcpt TO:<ana@bank-a.example>"]
    assert any(line.startswith("AUTH") for line in mail.said) is (security != "none")
    if security == "starttls":
        assert mail.said.index("STARTTLS") < next(at for at, line in enumerate(mail.said) if line.startswith("AUTH"))


def test_a_mail_server_whose_certificate_is_not_believed_gets_no_password(
    certified: tuple[Path, ssl.SSLContext], tmp_path: Path
) -> None:
    with served(_Mail(certified[1])) as mail:
        configured = email(tmp_path, mail.port, user="ana", password_file="mail.password")
        with pytest.raises(NotSentError, match="certificate is refused") as caught:
            channels_of(configured, tmp_path)["email"](NOTICE)
    assert not caught.value.passes and mail.said == []


@pytest.mark.parametrize(("refuses", "passes"), [("450 later", True), ("550 nobody", False)])
def test_what_a_mail_server_refuses_for_good_is_not_tried_again(refuses: str, passes: bool, tmp_path: Path) -> None:
    with served(_Mail(refuses=refuses)) as mail, pytest.raises(NotSentError) as caught:
        channels_of(email(tmp_path, mail.port, security="none"), tmp_path)["email"](NOTICE)
    assert caught.value.passes is passes


def test_a_mail_that_only_some_get_is_sent_and_the_log_counts_whom_it_did_not_reach(tmp_path: Path) -> None:
    ana, ben, cid = (f"{name}@bank-a.example" for name in ("ana", "ben", "cid"))
    with served(_Mail(refuses="550 nobody", refused=(ben, cid))) as mail, capture_logs() as lines:
        configured = email(tmp_path, mail.port, security="none", recipients=[ana, ben, cid])
        channels_of(configured, tmp_path)["email"](NOTICE)
        assert len(mail.taken) == 1
        mail.refused = ("nobody-here",)
        channels_of(configured, tmp_path)["email"](NOTICE)
        assert len(mail.taken) == 2
    (line,) = lines
    assert line == {
        "event": "notice not sent to everybody",
        "log_level": "warning",
        "channel": "email",
        "kind": "job-waits",
        "job": "0f" * 16,
        "refused": 2,
        "recipients": 3,
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"webhook": {"url": "http://hooks.example.org/x", "secret_file": "s"}}, "use https"),
        ({"webhook": {"url": "https://a:b@hooks.example.org", "secret_file": "s"}}, "password in it"),
        ({"webhook": {"url": "ftp://hooks.example.org", "secret_file": "s"}}, "is no address"),
        ({"webhook": {"url": "https://hooks.example.org"}}, "secret_file"),
        ({"events": ["everything"]}, "events"),
        ({"mail": {}}, "mail"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        NotifySettings.model_validate(given)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"security": "none"}, "use tls"),
        ({"user": "ana"}, "give both or neither"),
        ({"recipients": []}, "recipients"),
        ({"recipients": ["ana@x.org\nBcc: eve@x.org"]}, "no mail address"),
        ({"sender": "Ana <ana@x.org>"}, "no mail address"),
    ],
)
def test_mail_settings_that_cannot_be_are_refused(changed: dict[str, Any], said: str) -> None:
    fields = {"server": "smtp.example.org", "sender": "a@x.org", "recipients": ["b@x.org"]}
    EmailSettings.model_validate(fields)
    with pytest.raises(ValidationError, match=said):
        EmailSettings.model_validate(fields | changed)


def test_a_secret_that_is_missing_or_short_is_refused_by_its_file(tmp_path: Path) -> None:
    configured = webhook(tmp_path, "https://hooks.example.org")
    write_secret(tmp_path / "hook.secret", b"short")
    with pytest.raises(SecretFileError, match=r"hook\.secret holds 5 bytes"):
        channels_of(configured, tmp_path)
    (tmp_path / "hook.secret").unlink()
    with pytest.raises(SecretFileError, match=r"hook\.secret is not there"):
        channels_of(configured, tmp_path)


def test_one_that_is_away_is_tried_again_and_kinds_that_are_not_asked_for_are_not_sent(tmp_path: Path) -> None:
    with served(_Hook(503, 503, 204)) as hook:
        notifier = Notifier(channels_of(webhook(tmp_path, hook.url), tmp_path), ("job-waits",))
        notifier.start()
        notifier.tell(Notice("job-failed", "bank-a", "1e" * 16, None, NOTICE.at))
        notifier.tell(NOTICE)
        while len(hook.taken) < 3:
            time.sleep(0.01)
        notifier.close()
    assert {json.loads(body)["kind"] for _, body in hook.taken} == {"job-waits"}


def test_a_server_that_never_answers_holds_nobody_up() -> None:
    started, release = threading.Event(), threading.Event()

    def stuck(_notice: Notice) -> None:
        started.set()
        release.wait()

    sent: list[Notice] = []
    notifier = Notifier({"email": stuck, "webhook": sent.append}, KINDS)
    notifier.start()
    notifier.tell(NOTICE)
    started.wait()
    for _ in range(MOST_WAITING + 5):  # more than are kept: none of these calls waits
        notifier.tell(NOTICE)
    while len(sent) < MOST_WAITING:  # the other way out goes on
        time.sleep(0.01)
    closing = threading.Thread(target=notifier.close)
    closing.start()
    closing.join()
    assert not release.is_set()  # it closed while the server was still silent
    release.set()
