"""Logs: structlog, one event a line, on stderr. Never a body, a data value, a key or a plaintext."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

#: Fields that never reach a log, whatever a caller passes.
SECRET_FIELDS = frozenset(
    {"body", "key", "mask_key", "password", "plaintext", "private_key", "rows", "secret", "token", "value", "values"}
)


def _redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    for name, value in event.items():
        if name in SECRET_FIELDS:
            event[name] = "(withheld)"
        elif isinstance(value, bytes | bytearray | memoryview):
            event[name] = f"({len(value)} bytes)"
    return event


def configure_logging(format: str, level: str) -> None:  # noqa: A002 - the setting's own name
    """Send this process's logs to stderr, as lines for people ("console") or for machines ("json").

    The standard library's loggers (uvicorn, SQLAlchemy, Alembic) come out the same way, from `warning` up.
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
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    last: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if format == "json":
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Without local variables: they hold what the log must not.
        plain = structlog.dev.plain_traceback
        last += [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG)
    for name in ("uvicorn", "sqlalchemy", "alembic", "httpx", "httpcore", "asyncio", "multipart", "python_multipart"):
        logging.getLogger(name).setLevel(logging.WARNING)
