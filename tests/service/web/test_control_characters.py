"""Text that others send is shown, and moves no cursor: on the terminal, in logs, in problem documents."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from fedtrain.cli.output import OneLineErrors, console, describe_error, echo, print_json, print_table
from fedtrain.service.runtime.logging import configure_logging
from fedtrain.service.web.responses import problem_response
from fedtrain.spec.problems import Code, Problem
from fedtrain.spec.shown_text import all_shown, shown
from tests.harness.restored_logs import restored_logs

ESCAPE, TITLE, C1_CSI, RIGHT_TO_LEFT, ISOLATE = "\x1b[2J\x1b[1;1H", "\x1b]0;owned\x07", "\x9b31m", "\u202e", "\u2066"
EVIL = f"model {ESCAPE}{TITLE}{C1_CSI}{RIGHT_TO_LEFT}{ISOLATE}\r\x08\x7f\u2028 FINISHED [bold]x[/bold]"
FORBIDDEN = [chr(code) for code in (*range(9), *range(11, 32), *range(127, 160), 0x202E, 0x2066, 0x2028, 0xFEFF)]


def assert_harmless(text: str) -> None:
    assert not [char for char in FORBIDDEN if char in text], ascii(text)
    assert "FINISHED" in text and "u001b[2J" in text and "u202e" in text


def assert_on_terminal(captured: str) -> None:
    assert_harmless(captured)
    assert "[bold]x[/bold]" in captured  # markup from elsewhere is text


def test_whatever_a_console_prints_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    for value in (EVIL, Text(EVIL)):
        console().print(value)
        assert_on_terminal(capsys.readouterr().out)
    print_table(EVIL, [EVIL], [[EVIL]])
    assert_on_terminal(capsys.readouterr().out)
    console(err=True).print(EVIL)
    assert "\x1b" not in capsys.readouterr().err


def test_a_terminals_own_colours_stay(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    console().print(Text("red\x1b[0m", style="red"))
    out = capsys.readouterr().out
    assert out.startswith("\x1b[31m") and "red\\u001b[0m" in out


def test_lines_and_errors_are_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    echo(EVIL)
    echo(EVIL, err=True)
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert_on_terminal(text)

    class Group(OneLineErrors):
        def invoke(self, ctx: object) -> None:
            raise Problem(Code.FORBIDDEN, EVIL)

    with pytest.raises(SystemExit):
        Group(name="x", invoke_without_command=True).main([], prog_name="x")
    assert_on_terminal(capsys.readouterr().err)


def test_json_for_scripts_is_harmless_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"reason": EVIL})
    out = capsys.readouterr().out
    assert_harmless(out)
    assert json.loads(out) == {"reason": EVIL}


def test_a_problem_that_a_peer_sent_is_harmless_from_there_on() -> None:
    sent = {"type": "/problems/forbidden", "detail": EVIL, "errors": [{"field": EVIL, "message": EVIL}], EVIL: 1}
    problem = Problem.from_dict(sent, 403)
    assert_harmless(problem.detail)
    assert_harmless(json.dumps(problem.extra, ensure_ascii=False))
    assert_harmless(describe_error(problem))


def test_a_problem_that_quotes_a_request_leaves_a_service_harmless() -> None:
    body = bytes(problem_response(Problem(Code.NOT_FOUND, EVIL, value=EVIL)).body).decode()
    assert_harmless(body)
    assert json.loads(body)["detail"] == EVIL


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_log_is_harmless(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    with restored_logs():
        configure_logging(form, "info")
        log = structlog.get_logger("x")
        log.info(EVIL, why=EVIL, names=[EVIL], more={"a": EVIL})
        logging.getLogger("uvicorn.error").warning("%s", EVIL)
        try:
            raise ValueError(EVIL)
        except ValueError:
            log.exception("broke")
        err = capsys.readouterr().err
    assert err.count("FINISHED") >= 6
    assert_harmless(err)


@given(st.text())
def test_a_text_within_json_means_the_same_when_it_is_shown(text: str) -> None:
    assert json.loads(shown(json.dumps(text, ensure_ascii=False))) == text
    assert shown(shown(text)) == shown(text)


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_letters_of_all_scripts_stay_as_they_are(text: str) -> None:
    assert shown(text) == text
    assert all_shown({"a": [text, 1, None]}) == {"a": [text, 1, None]}
