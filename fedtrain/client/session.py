"""Calls to a running Model Owner, one after another: nothing here needs an event loop, or minds one that runs."""

from __future__ import annotations

import math
import ssl
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from fedtrain.client.blocking import BlockingClient
from fedtrain.client.frames import is_frame, parquet_of, rows_of_frame
from fedtrain.client.proxies import unreachable_through
from fedtrain.client.retry import for_a_minute
from fedtrain.spec.problems import Code, Problem

ENDED = frozenset({"FINISHED", "FAILED", "CANCELLED"})
POLL_S = 0.5
Json = dict[str, Any]
_PARQUET = "application/vnd.apache.parquet"


class _Service(BlockingClient):
    """The Model Owner, as errors name it."""

    def _unreached(self, error: Exception) -> Problem:
        return Problem(
            self.unreachable, f"Nothing answers at {self.base_url} ({unreachable_through(self.proxy, error)})."
        )


class JobEnded(Exception):  # noqa: N818 - that it ended is what happened
    """A job ended without a model. `model` is what GET /models/{id} says."""

    def __init__(self, model: Json) -> None:
        super().__init__(f"model {model['id']} is {model['status']}: {model.get('reason') or 'no reason given'}")
        self.model = model


class RemarkWarning(UserWarning):
    """Warning of what a person must know of a model or a prediction beside its numbers."""


class ModelOwner:
    """A Model Owner at `url`. Closes its connections when a `with` block is left.

    `token` is sent as a bearer token, to https or to this machine only. `verify` is an SSL context for a CA of the
    consortium's own. `transport` replaces the network. Every method raises Problem: what the service refused with,
    or SERVICE_UNREACHABLE.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:9090",
        *,
        token: str | None = None,
        request_timeout_s: float = 60.0,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._sleep = sleep
        self._warned: set[tuple[str, str]] = set()
        self._service = _Service(
            self.url, token=token, transport=transport, request_timeout_s=request_timeout_s, verify=verify
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __deepcopy__(self, memo: object) -> Self:
        """Connections are shared: scikit-learn's clone copies an estimator's parameters."""
        return self

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def deploy(self, spec: Mapping[str, Any]) -> str:
        """Start a training job and return its id. Warns of what is to be known before it trains (RemarkWarning)."""
        answer = self._object("POST", "/models", json=dict(spec))
        self._warn(answer["id"], answer)
        return str(answer["id"])

    def model(self, model_id: str) -> Json:
        """Return what GET /models/{id} says: status, round, loss; at the end the coefficients."""
        return self._object("GET", f"/models/{model_id}")

    def wait(self, model_id: str, *, show_progress: bool = True) -> Json:
        """Return the model when it has finished, with a progress bar until then. Raises JobEnded without a model.

        Warns of each of its remarks (RemarkWarning), once.

        A service that is away for a minute, as over a restart, ends no wait: training goes on by itself.
        """
        with progress_bar(f"model {model_id[:8]}", shown=show_progress) as show:
            while True:
                model = for_a_minute(partial(self.model, model_id), sleep=self._sleep)
                show(model)
                if model["status"] == "FINISHED":
                    self._warn(model["id"], model)
                    return model
                if model["status"] in ENDED:
                    raise JobEnded(model)
                self._sleep(POLL_S)

    def prediction(self, model_id: str | None = None) -> Json:
        """Return what GET /prediction says of the test set: cost, metrics, values, targets."""
        document = self._object("GET", "/prediction", params=_given(model_id=model_id))
        self._warn(document["model_id"], document)
        return document

    def curves(self, model_id: str | None = None) -> Json:
        """Return a model on the test set as curves: ROC, precision by recall, calibration; of values their errors."""
        return self._object("GET", "/prediction/curves", params=_given(model_id=model_id))

    def wrongly_read(self, model_id: str) -> Json:
        """Return pictures of the test set that a classifier reads wrongly, 24 at most, the surest first.

        `shape` is None where its features are no picture; `pixels` are bytes in base64, channel by channel.
        """
        return self._object("GET", f"/models/{model_id}/wrongly-read")

    def predict(self, rows: Any, model_id: str | None = None) -> Json:
        """Score rows: `values`, and of a classifier `classes` and `class_names`. Without an id, the latest model.

        `rows`: a data frame, whose columns are found by the features' names and which may have others, with a warning
        that names them; an array or lists in the order of the features; or objects by name.
        """
        if is_frame(rows):
            model_id = self._latest() if model_id is None else model_id
            rows = rows_of_frame(rows, self._features(model_id))
        body = {"rows": [_plain_row(row) for row in rows], **_given(model_id=model_id)}
        document = self._object("POST", "/prediction", json=body)
        self._warn(document["model_id"], document)
        return document

    def export(self, model_id: str, format: str = "json") -> bytes:  # noqa: A002 - the route's own word
        """A finished model as a file: "json", "onnx", "sklearn" or, of a network, "safetensors"."""
        return self._call("GET", f"/models/{model_id}/export", params={"format": format}).content

    def cancel(self, model_id: str) -> Json:
        """Stop a job, at every party."""
        return self._object("DELETE", f"/models/{model_id}")

    def models(self) -> list[Json]:
        """The newest jobs, newest first: id, name, status, round, optimizer."""
        return self._list("/models")

    def resume(self, model_id: str) -> Json:
        """Go on with a job that waits, as after a restored backup."""
        return self._object("POST", f"/models/{model_id}/resume")

    def events(self, model_id: str) -> Iterator[Json]:
        """Return what happens to a job as it happens, one object a round, window or change of status, until it ends."""
        return self._service.events(f"/models/{model_id}/events")

    def predictions(self) -> list[Json]:
        """The newest predictions on test sets, newest first, without their values."""
        return self._list("/predictions")

    def kept_prediction(self, prediction_id: str) -> Json:
        """A prediction on a test set that was made before."""
        return self._object("GET", f"/predictions/{prediction_id}")

    def test_sets(self) -> list[Json]:
        """All test sets, the current one first."""
        return self._list("/datasets")

    def register_test_set(self, data: Any, name: str = "default") -> Json:
        """Make a data frame, or the CSV or Parquet file at a path here, the current test set."""
        if is_frame(data):
            content, kind = parquet_of(data), _PARQUET
        else:
            content = Path(data).read_bytes()
            kind = _PARQUET if content.startswith(b"PAR1") else "text/csv"
        headers = {"Content-Type": kind}
        return self._object("POST", "/datasets", params={"name": name}, content=content, headers=headers)

    def allow_scoring(
        self, model_id: str, *, quota_bits: int | None = None, data_owners: Sequence[str] | None = None
    ) -> Json:
        """Let Data Owners score a finished model that they do not see, up to a quota; by default those that trained."""
        body = {"quota_bits": quota_bits, "data_owners": None if data_owners is None else list(data_owners)}
        return self._object("POST", f"/models/{model_id}/scoring", json=body)

    def scoring(self, model_id: str) -> Json:
        """Return who may score a model, and how much of it scores have told."""
        return self._object("GET", f"/models/{model_id}/scoring")

    def stop_scoring(self, model_id: str) -> Json:
        """Answer no more scores of a model; what was spent stays spent."""
        return self._object("DELETE", f"/models/{model_id}/scoring")

    def release(self, model_id: str, statement: Json) -> Json:
        """Hand in what an owner's people signed, that others may get the finished model or not; return the model."""
        return self._object("POST", f"/models/{model_id}/sign-offs", json=statement)

    def _latest(self) -> str:
        """Id of the model that finished last. Raises Problem(NO_FINISHED_MODEL)."""
        finished = [model for model in self.models() if model["status"] == "FINISHED"]
        if not finished:
            raise Problem(Code.NO_FINISHED_MODEL, "No model has finished yet: deploy one, and wait.")
        return str(max(finished, key=lambda model: model["ended_at"])["id"])

    def _features(self, model_id: str) -> list[Json]:
        features: list[Json] = self._object("GET", f"/models/{model_id}/spec")["data_props"]["features"]
        return features

    def _warn(self, model_id: str, answer: Json) -> None:
        """Warn of the remarks in an answer that were not told before."""
        for each in answer.get("remarks", ()):
            told = (model_id, each["text"])
            if told not in self._warned:
                self._warned.add(told)
                warnings.warn(f"{each['text']} ({each['code']})", RemarkWarning, stacklevel=3)

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self._service.request(method, path, **arguments)

    def _object(self, method: str, path: str, **arguments: Any) -> Json:
        return dict(self._service.request_json(method, path, **arguments))

    def _list(self, path: str) -> list[Json]:
        return list(self._service.request_json("GET", path))


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _plain_row(row: Any) -> Any:
    """A row as JSON takes it: an object, or a list; of numpy's values their own, and None for what is not a number."""
    if isinstance(row, Mapping):
        return {str(key): _plain(value) for key, value in row.items()}
    if isinstance(row, str | bytes):
        return row
    return [_plain(value) for value in (row.tolist() if hasattr(row, "tolist") else row)]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


@contextmanager
def progress_bar(title: str, *, shown: bool) -> Iterator[Callable[[Json], None]]:
    """A bar of rounds with the loss, on stderr; in a notebook below the cell."""
    if not shown:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    console = Console() if "ipykernel" in sys.modules else Console(stderr=True)
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None, detail="")

        def show(model: Json) -> None:
            done, total, loss = model.get("round") or 0, model.get("rounds"), model.get("loss")
            said = str(model["status"]).replace("_", " ").lower() if loss is None else f"loss {loss:.6f}"
            finished = model["status"] == "FINISHED"  # it may converge before the last round that was allowed
            bar.update(task, completed=done, total=done if finished else total, detail=said)

        yield show
