"""Sends notices beside the service's work: whatever becomes of one, no job waits for it or ends."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from fedtrain.client.retry import for_a_minute
from fedtrain.service.notify.channels import Notice, NotSentError, Send, channels_of
from fedtrain.service.notify.settings import Kind, NotifySettings

log = structlog.get_logger("notify")

#: Notices that wait to be sent; while a server is away, later ones are dropped, and the log says so.
MOST_WAITING = 1000


class Notifier:
    """One thread for each way out, which sends what is handed to it in order. What is unsent at a stop is lost."""

    def __init__(self, channels: Mapping[str, Send], events: tuple[Kind, ...]) -> None:
        self._events = frozenset(events)
        self._stop = threading.Event()
        self._queues: dict[str, queue.Queue[Notice | None]] = {name: queue.Queue(MOST_WAITING) for name in channels}
        self._threads = [
            threading.Thread(target=self._work, args=(name, send), name=f"notify {name}", daemon=True)
            for name, send in channels.items()
        ]

    @property
    def on(self) -> bool:
        """True where anything is sent."""
        return bool(self._threads)

    def tells(self, kind: Kind) -> bool:
        """Return whether anybody is told of what is of this kind."""
        return self.on and kind in self._events

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads: at once, but for a server that is being talked to."""
        self._stop.set()
        for waiting in self._queues.values():
            try:
                waiting.put_nowait(None)
            except queue.Full:
                continue  # the thread has work, and sees the stop after it
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=1.0)

    def tell(self, notice: Notice) -> None:
        """Send a notice where its kind is one of those that are told. Never blocks, from any thread."""
        if notice.kind not in self._events or self._stop.is_set():
            return
        for name, waiting in self._queues.items():
            try:
                waiting.put_nowait(notice)
            except queue.Full:
                log.warning("notice dropped", channel=name, kind=notice.kind, **{notice.about: notice.id})

    def _work(self, name: str, send: Send) -> None:
        waiting = self._queues[name]
        while not self._stop.is_set():
            notice = waiting.get()
            if notice is not None:
                self._send(name, send, notice)

    def _send(self, name: str, send: Send, notice: Notice) -> None:
        try:
            for_a_minute(_call(send, notice), self._passes, sleep=self._pause)
        except NotSentError as error:
            log.warning("notice not sent", channel=name, kind=notice.kind, **{notice.about: notice.id}, why=str(error))
        except Exception:  # whatever is wrong with one, the next is tried
            log.exception("notice not sent", channel=name, kind=notice.kind, **{notice.about: notice.id})
        else:
            log.info("notice sent", channel=name, kind=notice.kind, **{notice.about: notice.id})

    def _passes(self, error: Exception) -> bool:
        return isinstance(error, NotSentError) and error.passes and not self._stop.is_set()

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)


def _call(send: Send, notice: Notice) -> Callable[[], None]:
    return lambda: send(notice)


def notifier_of(settings: NotifySettings | None, state_dir: Path) -> Notifier:
    """Return what sends a party's notices, none where its settings say nothing. Raises as `channels_of`."""
    if settings is None or not settings.on:
        return Notifier({}, ())
    return Notifier(channels_of(settings, state_dir), settings.events)
