"""The command's output and failures: results on stdout, one line of error on stderr, never a stack trace."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from pydantic import ValidationError
    from rich.console import Console


MOST_ERRORS = 8


class Failure(Exception):  # noqa: N818 - the command's own failure, told in one line
    """Something that the person at the terminal has to know: what happened, and what to do."""


def print_json(value: object) -> None:
    """Write one JSON document to stdout, for scripts."""
    from fedtrain.spec.shown_text import shown

    sys.stdout.write(shown(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)) + "\n")


def echo(line: str, *, err: bool = False) -> None:
    """Write one line; control characters in it, which others may have sent, are shown and not obeyed."""
    from fedtrain.spec.shown_text import shown

    typer.echo(shown(line), err=err)


def console(*, err: bool = False) -> Console:
    """Return a rich console on stdout; rich itself honours NO_COLOR and leaves colours out where no terminal is.

    What is printed may be others' words: control characters are shown and not obeyed, and markup is text.
    """
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    from fedtrain.spec.shown_text import shown

    class HarmlessConsole(Console):
        """Console through which all text passes in pieces on its way to the terminal, before colours are added."""

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for text, style, control in super().render(renderable, options):
                yield Segment(text if control else shown(text), style, control)

    # Without a terminal there is no width to fold at, and a folded id is no use to a script.
    width = None if sys.stdout.isatty() or err else 10_000
    return HarmlessConsole(
        stderr=err, highlight=False, markup=False, emoji=False, soft_wrap=width is not None, width=width
    )


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their columns; numbers to the right. None is a cell with nothing in it."""
    from rich import box
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    for index, column in enumerate(columns):
        cells = [row[index] for row in rows if row[index] is not None]
        numeric = bool(cells) and all(isinstance(cell, int | float) for cell in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)


def duration(seconds: float) -> str:
    """Return a time as people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def describe_error(error: Exception) -> str:
    """Return the one line that tells `error` to a person."""
    from pydantic import ValidationError

    from fedtrain.service.runtime.extras import how_to_install
    from fedtrain.spec.problems import Problem
    from fedtrain.spec.setup_error import SetupError
    from fedtrain.tabular.errors import TableError

    if isinstance(error, Failure | SetupError | TableError):
        return str(error)
    if isinstance(error, Problem):
        return _describe_problem(error)
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else first["msg"]
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if isinstance(error, ImportError) and (how := how_to_install(error.name)) is not None:
        return f"{how}."
    return f"internal error, {type(error).__name__}: {error} (FEDTRAIN_DEBUG=1 shows where)"


def wrong_fields(error: ValidationError, document: object) -> str:
    """Return every field in which `document` does not have its form, in one line, as the services say it."""
    from fedtrain.service.web.validation import validation_problem

    return _describe_problem(validation_problem(error, document))


def _describe_problem(problem: Any) -> str:
    from fedtrain.cli.jobs.remedies import remedy_of

    errors = problem.extra.get("errors")
    listed = [item for item in (errors if isinstance(errors, list) else []) if isinstance(item, dict)]
    fields = [text for item in listed if (text := _field_text(item, problem.detail))]
    # The detail of a request's problem is its first field once more.
    parts = [] if fields and problem.detail.startswith(fields[0]) else [problem.detail]
    parts += fields[:MOST_ERRORS]
    if len(fields) > MOST_ERRORS:
        parts.append(f"and {len(fields) - MOST_ERRORS} more")
    fixes = problem.extra.get("fixes")
    listed_fixes = [str(fix) for fix in fixes[:5]] if isinstance(fixes, list) else []
    parts += listed_fixes
    remedy = remedy_of(problem.code, listed=bool(fields or listed_fixes))
    if problem.detail in parts and remedy is not None:
        parts.append(remedy)
    return " | ".join(" ".join(part.split()) for part in parts)


def _field_text(item: dict[str, Any], detail: str) -> str:
    """Return what one entry of `errors` says beyond the problem's detail; "" for nothing."""
    field, message = str(item.get("field") or ""), str(item.get("message") or "")
    if message.rstrip(".") == detail.rstrip("."):
        return ""
    return f"{field}: {message}" if field else message


class OneLineErrors(TyperGroup):
    """A command group whose every failure is one line on stderr and an exit code that is not 0.

    Its help lists commands under the panels that they are given.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = getattr(command, "rich_help_panel", None)
                title = panel if isinstance(panel, str) else "Commands"
                panels.setdefault(title, []).append((name, command.get_short_help_str(limit=formatter.width)))
        for title, commands in panels.items():
            with formatter.section(title):
                formatter.write_dl(commands)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            result = super().main(*args, **kwargs)
        except (typer.Abort, KeyboardInterrupt):
            _say("stopped")
            sys.exit(130)
        except BrokenPipeError:
            # The reader (`| head`) has gone: nothing more can be said to it, at exit neither.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except Exception as error:  # whatever it is, a person gets one line
            if os.environ.get("FEDTRAIN_DEBUG"):
                raise
            line, code = _usage_error(error) or (describe_error(error), 1)
            _say(line)
            sys.exit(code)
        sys.exit(result if isinstance(result, int) else 0)


def _usage_error(error: Exception) -> tuple[str, int] | None:
    """Return line and exit code of a mistake in the options.

    Told by its shape: newer versions of typer carry a copy of click in them, older ones import click.
    """
    message, code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
    if not callable(message) or not isinstance(code, int):
        return None
    context = getattr(error, "ctx", None)
    hint = f" ({context.command_path} --help)" if context is not None else ""
    return f"{message()}{hint}", code


def _say(line: str) -> None:
    echo("fedtrain: " + " ".join(line.split()), err=True)
