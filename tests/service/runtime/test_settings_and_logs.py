"""Settings from the environment, the clock, and logs that withhold what is secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from pydantic import ValidationError

from fedtrain.protocol.clock import timestamp
from fedtrain.service.runtime.logging import configure_logging
from fedtrain.service.runtime.settings import ServiceSettings
from fedtrain.service.runtime.system_clock import SystemClock
from tests.harness.restored_logs import restored_logs


@pytest.fixture
def restored_logging() -> Iterator[None]:
    with restored_logs():
        yield


def test_settings_come_from_the_environment_and_arguments_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDTRAIN_STATE_DIR", "/var/lib/fedtrain")
    monkeypatch.setenv("FEDTRAIN_PORT", "5000")
    monkeypatch.setenv("FEDTRAIN_ALLOW_SMALL_KEYS", "true")
    settings = ServiceSettings(name="bank-one", port=5001)
    assert (settings.port, settings.host, settings.allow_small_keys) == (5001, "127.0.0.1", True)
    assert settings.state_dir == Path("/var/lib/fedtrain")
    assert settings.database == "sqlite:////var/lib/fedtrain/state.sqlite3"
    assert ServiceSettings(name="a", port=1, database_url="postgresql+psycopg://db/x").database.startswith("postgresql")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"port": 70000}, {"port": -1}, {"name": "two words"}, {"log_format": "xml"}, {"speed": 1}),
        *({"state_dir": None}, {"prune_after_days": 0}, {"prune_after_days": 1e6}),  # before the first year there is
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEDTRAIN_STATE_DIR", raising=False)
    right = {"name": "bank-one", "port": 5000, "state_dir": "/var/lib/fedtrain"}
    assert ServiceSettings(**right)
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        ServiceSettings(**{**right, **wrong})


def test_small_keys_are_off_unless_somebody_asks(tmp_path: Path) -> None:
    assert not ServiceSettings(name="a", port=1, state_dir=tmp_path).allow_small_keys


def test_the_clock_is_in_utc_and_its_timestamps_say_so() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() <= clock.monotonic()

    class Fixed(SystemClock):
        def now(self) -> datetime:
            return datetime(2026, 1, 2, 3, 4, 5, 678900, UTC)

    assert timestamp(Fixed()) == "2026-01-02T03:04:05.678Z"


@pytest.mark.parametrize("format_name", ["console", "json"])
def test_a_log_line_withholds_secrets_bytes_and_local_variables(
    format_name: str, restored_logging: None, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(format_name, "info")
    log = structlog.get_logger("test")

    def broken() -> None:
        hidden = "local-4711"
        raise KeyError(len(hidden))

    log.info("answered", job_id="j1", token="hunter2", rows=[1.5e-77], sent=b"\x01\x02\x03")
    log.debug("too fine to be written")
    try:
        broken()
    except KeyError:
        log.exception("broke")
    logging.getLogger("uvicorn.error").warning("from uvicorn")
    logging.getLogger("uvicorn.error").info("uvicorn's chatter")
    out, err = capsys.readouterr()
    assert out == ""
    for part in ("answered", "j1", "(withheld)", "(3 bytes)", "broke", "KeyError", "from uvicorn"):
        assert part in err
    # None of these can be in a line's time: "1.5" is, at 16:30:01.5, and "4711" among its microseconds.
    for part in ("hunter2", "1.5e-77", "local-4711", "too fine", "chatter", "\x01"):
        assert part not in err


@pytest.mark.parametrize("library", ["sse_starlette.sse", "sqlalchemy.engine", "a_library.of_next_year"])
def test_libraries_write_no_line_below_a_warning(
    library: str, restored_logging: None, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("json", "debug")
    structlog.get_logger("data_owner.agent").debug("fine enough")
    log = logging.getLogger(library)
    log.debug("chunk: %s", b'data: {"loss": 1.5}')
    log.info("BEGIN (implicit)")
    log.warning("almost full")
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert {"fine enough", "almost full"} <= set(events)
    assert not any("loss" in event or "BEGIN" in event for event in events)


def test_json_logs_are_one_object_a_line(restored_logging: None, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json", "debug")
    log = structlog.get_logger("test")
    log.debug("first\nline", n=1)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        log.exception("second")
    wanted = ["first\nline", "second"]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    # Others of this process may log at any time, as asyncio does of what it finds left behind.
    first, second = (line for line in lines if line["event"] in wanted)
    assert [first["event"], second["event"]] == wanted
    assert first["level"] == "debug"
    assert "ZeroDivisionError" in second["exception"]
