"""A Dask cluster that a Data Owner computes on, as long as it can be reached.

What a worker, or the scheduler, loses is computed again; what the cluster cannot do is computed in this process. The
results are the same, and a line in the log says what happened.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from fedtrain.service.runtime.extras import PROJECT

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

log = structlog.get_logger("cluster")

SCHEME: Final = "dask://"
LOCAL: Final = "dask://local"
_ADDRESS: Final = re.compile(r"dask://([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
CONNECT_S: Final = 10.0
#: A scheduler that was started again waits for its workers, and so do we.
WORKERS_S: Final = 20.0
#: A cluster that could not be used is tried again after so long.
AWAY_S: Final = 30.0
POLL_S: Final = 5.0
ATTEMPTS: Final = 3
_CALLS_A_SLOT: Final = 2


def check_address(address: str) -> str:
    """Return `address`. Raises ValueError unless it is dask://local or dask://HOST:PORT."""
    found = _ADDRESS.fullmatch(address)
    if address != LOCAL and (found is None or not 0 < int(found[2]) < 1 << 16):
        raise ValueError(
            f"{address[:100]!r} is no cluster: write dask://HOST:PORT of a Dask scheduler, or dask://local"
        )
    return address


def scheduler_address(address: str) -> str:
    """Return how Dask writes it: tls://HOST:PORT where Dask's own settings name a CA, else tcp://HOST:PORT."""
    import dask.config
    import distributed  # noqa: F401 - it brings the settings' defaults

    secured = dask.config.get("distributed.comm.tls.ca-file", None)
    return ("tls://" if secured else "tcp://") + address.removeprefix(SCHEME)


def is_open(address: str) -> bool:
    """Return True where records would go to another machine for anybody on the way to read."""
    found = _ADDRESS.fullmatch(address)
    if found is None or scheduler_address(address).startswith("tls://"):
        return False
    try:
        return not ipaddress.ip_address(found[1].strip("[]")).is_loopback
    except ValueError:
        return found[1] != "localhost"


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the project's version, and 12 digits of a hash of the code that workers run."""
    digest = hashlib.sha256()
    # In a checkout some packages are links to folders, which a search for files does not follow.
    folders = sorted(part for part in Path(__file__).parents[2].iterdir() if part.is_dir())
    for folder in folders:
        for path in sorted(folder.resolve().rglob("*.py")):
            digest.update(f"{folder.name}/{path.relative_to(folder.resolve())}\n".encode() + path.read_bytes())
    return f"{version(PROJECT)} ({digest.hexdigest()[:12]})"


class Cluster:
    """Implements `fedtrain.crypto.engine.dask.Cluster`. Any thread but an event loop's may share it: it blocks.

    A function that workers are given is found there by its name, in the same code: `version` tells it.
    """

    def __init__(
        self,
        address: str,
        workers: int,
        monotonic: Callable[[], float],
        version: Callable[[], str] = code_version,
        log: Any = log,
    ) -> None:
        """`address`: of `check_address`. `workers`: processes of dask://local."""
        self._address = address
        self._workers = workers
        self._monotonic = monotonic
        self._version = version
        self._log = log
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._processes: LocalCluster | None = None
        self._usable: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._trouble: str | None = None
        self._away_until = float("-inf")
        self._closed = False

    def slots(self) -> int:
        """Return how many calls the workers compute at once, 0 where the cluster cannot be used now.

        Connects where need be, which takes CONNECT_S and WORKERS_S at most.
        """
        with self._lock:
            if self._closed or self._monotonic() < self._away_until:
                return 0
            try:
                client = self._connected()
                self._look_at_workers(client)
            except Exception as error:  # noqa: BLE001 - what Dask's sockets, pickles and checks raise
                self._leave(_words(error))
            return sum(self._usable.values())

    @property
    def refused(self) -> Mapping[str, str]:
        """Workers with other code, by address, and what they have, in words."""
        return dict(self._refused)

    @property
    def trouble(self) -> str | None:
        """The reason, in words, for which the cluster was last not used."""
        return self._trouble

    def ordered(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield function(*call) for each call, in their order; some calls are taken, and sent, ahead.

        Raises what the function does.
        """
        calls = iter(calls)
        ahead = max(1, self.slots() * _CALLS_A_SLOT)
        sent: deque[tuple[tuple[Any, ...], Future[Any] | None]] = deque()
        for call in calls:
            sent.append((call, self._send(function, call)))
            if len(sent) >= ahead:
                yield self._result(function, *sent.popleft())
        while sent:
            yield self._result(function, *sent.popleft())

    def everywhere(self, function: Callable[..., bool], *arguments: Any) -> bool:
        """Return True where there are workers, and the function returns True on each."""
        with self._lock:
            if not self.slots() or self._client is None:
                return False
            found = self._client.run(function, *arguments, workers=list(self._usable), on_error="return")
        return bool(found) and all(answer is True for answer in found.values())

    def close(self) -> None:
        """End the connection, and the processes of dask://local. What is asked afterwards is computed here."""
        with self._lock:
            self._closed = True
            self._leave(None)
            if self._processes is not None:
                self._processes.close(timeout=CONNECT_S)
                self._processes = None

    def _connected(self) -> Client:
        if self._client is not None and self._client.status == "running":
            return self._client
        from distributed import Client, LocalCluster
        from distributed.security import Security

        # Each connection and each part has a line there; what concerns the owner's people is told here.
        logging.getLogger("distributed").setLevel(logging.WARNING)
        self._disconnect()
        if self._address != LOCAL:
            self._client = Client(scheduler_address(self._address), timeout=CONNECT_S, set_as_default=False)
        else:
            if self._processes is None:
                # Whoever reaches a scheduler runs code there: other users of this machine must not.
                self._processes = LocalCluster(
                    n_workers=self._workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address=None,
                    security=Security.temporary(),
                    silence_logs=logging.WARNING,
                )
            self._client = Client(self._processes, timeout=CONNECT_S, set_as_default=False)
        self._client.wait_for_workers(1, timeout=WORKERS_S)
        self._log.info(
            "the Dask cluster is there", address=self._address, workers=len(self._client.scheduler_info()["workers"])
        )
        return self._client

    def _look_at_workers(self, client: Client) -> None:
        """Know the workers that there are; one with other code is not used, and named once."""
        threads = {address: int(worker["nthreads"]) for address, worker in client.scheduler_info()["workers"].items()}
        self._refused = {address: found for address, found in self._refused.items() if address in threads}
        self._usable = {address: count for address, count in threads.items() if address in self._usable}
        new = [address for address in threads if address not in self._usable and address not in self._refused]
        if new:
            for address, found in client.run(self._version, workers=new, on_error="return").items():
                if found == self._version():
                    self._usable[address] = threads[address]
                else:
                    words = self._refused[address] = found if isinstance(found, str) else _words(found)
                    self._log.warning(
                        "a Dask worker has other code than this Data Owner, and is not used",
                        worker=address,
                        found=words,
                        expected=self._version(),
                    )
        if not self._usable:
            raise ConnectionError("it has no worker with this Data Owner's version")

    def _send(self, function: Callable[..., Any], call: tuple[Any, ...]) -> Future[Any] | None:
        """Give a call to a worker; None where none can take it."""
        with self._lock:
            client = self._client
            if client is None or not self._usable:
                return None
            try:
                return client.submit(
                    _on_worker,
                    self._version,
                    self._version(),
                    function,
                    call,
                    pure=False,
                    # Any, as long as all can be used: one that is started again has another address.
                    workers=list(self._usable) if self._refused else None,
                )
            except Exception as error:  # noqa: BLE001 - as above
                self._leave(_words(error))
                return None

    def _result(self, function: Callable[..., Any], call: tuple[Any, ...], future: Future[Any] | None) -> Any:
        for _ in range(ATTEMPTS):
            if future is None:
                break
            try:
                kind, found = self._wait(future)
            except Exception as error:  # noqa: BLE001 - the function's own come as values: this is the cluster's
                self._log.warning("the Dask cluster lost a part; it is computed again", why=_words(error))
            else:
                if kind == "raised":
                    raise found
                if kind == "value":
                    return found
                self._log.warning("a Dask worker has other code; its part is computed again", found=found)
            with self._lock:
                self._usable = {}  # all are asked again
            future = self._send(function, call) if self.slots() else None
        return function(*call)

    def _wait(self, future: Future[Any]) -> tuple[str, Any]:
        while True:
            try:
                outcome: tuple[str, Any] = future.result(timeout=POLL_S)
            except TimeoutError:
                if future.status != "pending":
                    raise
                if not self.slots():
                    raise ConnectionError("there are no workers any more") from None
            else:
                future.release()
                return outcome

    def _leave(self, reason: str | None) -> None:
        self._disconnect()
        self._usable = {}
        self._away_until = self._monotonic() + AWAY_S
        if reason is not None:
            self._trouble = reason
            self._log.warning(
                "the Dask cluster is not used; this process computes by itself", address=self._address, why=reason
            )

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close(timeout=POLL_S)


def _on_worker(
    version: Callable[[], str], expected: str, function: Callable[..., Any], call: tuple[Any, ...]
) -> tuple[str, Any]:
    """Compute a call on a worker: ("value", …), ("raised", the function's error), or ("version", the worker's)."""
    if version() != expected:
        return "version", version()
    try:
        return "value", function(*call)
    except Exception as error:  # noqa: BLE001 - the caller raises it again
        return "raised", error


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
