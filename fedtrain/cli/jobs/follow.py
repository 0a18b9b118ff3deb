"""Follow a job to its end: a progress bar of rounds with the loss, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from fedtrain.cli.jobs.client import Service
from fedtrain.cli.output import Failure, console, echo
from fedtrain.client.retry import FIRST_BACKOFF_S, for_a_minute

ENDED = frozenset({"FINISHED", "FAILED", "CANCELLED"})

Show = Callable[[dict[str, Any]], None]


def follow(service: Service, model_id: str, show: Show, *, sleep: Callable[[float], None] = time.sleep) -> Any:
    """Call `show` with every change of the model until it has ended, and return what GET /models/{id} says then.

    A Model Owner that is stopped and started again is waited for, up to a minute. Raises Failure after that.
    """
    while True:
        state = for_a_minute(partial(service.get, f"/models/{model_id}"), _unreached, sleep=sleep)
        show(as_answered(state))
        if state["status"] in ENDED:
            return state
        try:
            for event in service.events(f"/models/{model_id}/events"):
                if "status" in event:  # others tell of a step inside a window, and not where the job stands
                    show(event)
                if event.get("status") in ENDED:
                    break
        except Failure:
            sleep(FIRST_BACKOFF_S)  # it broke off: GET says whether the service is there still


def _unreached(error: Exception) -> bool:
    return isinstance(error, Failure)


def as_answered(state: dict[str, Any]) -> dict[str, Any]:
    """Return what GET /models/{id} says, of the round that its loss is of, as the stream of events tells it.

    GET names the round that is asked, and the loss comes with the answers to the one before.
    """
    history = state.get("history")
    if state.get("status") in ENDED or not history:
        return state
    last = history[-1]
    tested = {name: last[name] for name in ("test_loss", "test_accuracy") if last.get(name) is not None}
    return {**state, "round": last["round"], "loss": last["loss"], **tested}


def describe_progress(state: dict[str, Any]) -> str:
    """Return one line about where a job stands: status, round of how many, loss."""
    parts = [str(state.get("status", ""))]
    if state.get("rounds"):
        parts.append(f"round {state.get('round') or 0} of {state['rounds']}")
    elif state.get("phase"):
        parts.append(str(state["phase"]).replace("_", " ").lower())
    if state.get("loss") is not None:
        parts.append(f"loss {state['loss']:.6f}")
    if state.get("test_loss") is not None:
        parts.append(f"on the test set {metrics_on_test_set(state)}")
    return ", ".join(parts)


def metrics_on_test_set(row: dict[str, Any]) -> str:
    """Return a round's metrics on the test set, where its row of the history has any, in words."""
    accuracy = row.get("test_accuracy")
    return f"loss {row['test_loss']:.6f}" + ("" if accuracy is None else f", accuracy {accuracy:.4f}")


@contextmanager
def progress(title: str) -> Iterator[Show]:
    """Yield a function that shows a job's state: a bar on a terminal, else one line a change, on stderr."""
    if not sys.stderr.isatty():
        yield _plain_lines(title)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(err=True)) as bar:
        task = bar.add_task(title, total=None, detail="")

        def show(state: dict[str, Any]) -> None:
            loss = state.get("loss")
            phase = str(state.get("phase") or state.get("status") or "").replace("_", " ").lower()
            done, total = state.get("round") or 0, state.get("rounds")
            if state.get("status") == "FINISHED":
                total = done  # it may converge before the last round that was allowed
            detail = phase if loss is None else f"loss {loss:.6f}"
            bar.update(task, completed=done, total=total, detail=detail)

        yield show


def _plain_lines(title: str) -> Show:
    said = ""

    def show(state: dict[str, Any]) -> None:
        nonlocal said
        line = f"{title}: {describe_progress(state)}"
        if line != said:
            said = line
            echo(line, err=True)

    return show
