"""Logs: structlog, one event a line, on stderr. Never a body, a data value, a key or a plaintext."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping, MutableMapping
from io import StringIO
from typing import Any, TextIO

import structlog
from structlog.typing import ExcInfo

from fedtrain.spec.shown_text import all_shown, shown

#: Fields that never reach a log, whatever a caller passes.
SECRET_FIELDS = frozenset(
    {
        *("body", "key", "mask_key", "new_password", "old_password", "password", "plaintext", "private_key", "rows"),
        *("secret", "token", "value", "values"),
    }
)


#: Libraries that write a line, or a traceback, for what any stranger's connection does.
_TOLD_BY_STRANGERS = ("uvicorn.error", "asyncio")
REPEATED_AFTER_S = 60.0
_KINDS_KEPT = 1_000


class OnceAMinute(logging.Filter):
    """Lets a line through unless one like it came within the last minute, and says later how many it held back."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._seen: dict[tuple[int, str], tuple[float, int]] = {}  # when the last one got through, how many since

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.levelno, str(record.msg).partition("\n")[0][:200])
        now = self._monotonic()
        last, held_back = self._seen.get(kind, (-REPEATED_AFTER_S, 0))
        if now - last < REPEATED_AFTER_S:
            self._seen[kind] = (last, held_back + 1)
            return False
        if len(self._seen) >= _KINDS_KEPT:  # lines with something of their own in them; none is held back by that
            self._seen.clear()
        self._seen[kind] = (now, 0)
        if held_back:
            record.msg = f"{record.msg} (and {held_back:,} times more since)"
        return True


def _redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    for name, value in event.items():
        if name in SECRET_FIELDS:
            event[name] = "(withheld)"
        elif isinstance(value, bytes | bytearray | memoryview):
            event[name] = f"({len(value)} bytes)"
        else:
            event[name] = all_shown(value)
    return event


def _traceback(out: TextIO, error: ExcInfo) -> None:
    """A plain one, without local variables: they hold what the log must not."""
    text = StringIO()
    structlog.dev.plain_traceback(text, error)
    out.write(shown(text.getvalue()))


class _OwnLoggers(structlog.stdlib.LoggerFactory):
    """Loggers of this project's own lines, whose level structlog has looked at: they let everything through."""

    def __call__(self, *args: Any) -> logging.Logger:
        logger = super().__call__(*args)
        if logger.level != logging.DEBUG:
            logger.setLevel(logging.DEBUG)
        return logger


def configure_logging(format: str, level: str) -> None:  # noqa: A002 - the setting's own name
    """Send this process's logs to stderr, as lines for people ("console") or for machines ("json").

    What libraries log (uvicorn, SQLAlchemy, Alembic) comes out the same way, from `warning` up, whatever `level` is:
    below that one may write what it sends, as sse-starlette does with each event.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=_OwnLoggers(),
        cache_logger_on_first_use=False,
    )
    last: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if format == "json":
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        last += [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _TOLD_BY_STRANGERS:
        logging.getLogger(name).filters[:] = [OnceAMinute()]
