"""A worker process as its supervisor sees it."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

from engine.endpoints import Counts
from engine.isolation import block_signals, killed_by
from engine.server.heartbeat import Pulse
from engine.server.listening.listener import Addresses
from engine.server.logs import Logs
from engine.server.signals import SIGNALS
from engine.server.worker import run_worker


class Outbox:
    """Messages to be sent, the newest of each kind only: a worker that does not read them costs no memory."""

    def __init__(self) -> None:
        self._messages: dict[Hashable, tuple[str, Any]] = {}
        self._is_open = True
        self._changed = threading.Condition()

    def put(self, word: str, content: Any, kind: Hashable) -> None:
        """Add a message, in place of one of the same kind."""
        with self._changed:
            self._messages.pop(kind, None)
            self._messages[kind] = word, content
            self._changed.notify()

    def close(self) -> None:
        """Have `get` return None."""
        with self._changed:
            self._is_open = False
            self._changed.notify()

    def get(self) -> tuple[str, Any] | None:
        """Wait for the oldest message and take it; None once the box is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages or not self._is_open)
            return self._messages.pop(next(iter(self._messages))) if self._is_open else None


class Worker:
    """A worker process, started at once; `hear` is called in a thread of its own with what it says.

    It accepts from the sockets at `place`, with the `certificate` of this moment, named by its digest. `modules`
    identifies the modules that it imports, which its first generation decides.
    """

    def __init__(
        self,
        numbered: tuple[int, int],
        addresses: Addresses,
        place: int,
        logs: Logs,
        hear: Callable[[Worker, str, Any], None],
    ) -> None:
        self.number, count = numbered
        self.place = place
        self.modules: str | None = None
        door = addresses.door(place)
        self.certificate = "" if door.certificate is None else door.certificate.digest
        self.generation = 0
        self.failed = ""
        self.numbers = Counts()
        self.birth = time.monotonic()
        self.ended = threading.Event()
        self.is_hung = False
        self._hear = hear
        self._outbox = Outbox()
        self._channel, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=run_worker,
            args=(self.number, count, door, theirs, logs),
            name=f"worker-{self.number}",
        )
        with block_signals(*SIGNALS):  # it ignores them once it has begun
            self.process.start()
        theirs.close()
        self.pulse = Pulse(self.process.pid or 0)
        try:
            for job in (self._speak, self._listen, self._watch):
                threading.Thread(target=job, daemon=True).start()
        except RuntimeError:  # there is no room for another thread
            self.process.kill()
            self._outbox.close()
            raise

    @property
    def kind(self) -> tuple[str | None, str]:
        """What a worker keeps for its lifetime: its modules and its certificate."""
        return self.modules, self.certificate

    def say(self, word: str, content: Any = None, kind: Hashable = None) -> None:
        """Send a message without waiting; it replaces an unsent one of the same kind, by default of the same word."""
        self._outbox.put(word, content, kind or word)

    def ending(self, status: int | None) -> str:
        if self.is_hung:
            return "hung and was killed"
        if status is not None and status < 0:
            return killed_by(-status)
        return f"ended with status {status}"

    def _speak(self) -> None:
        while (message := self._outbox.get()) is not None:
            try:
                self._channel.send(message)
            except OSError:
                return

    def _listen(self) -> None:
        try:
            while True:
                word, content = self._channel.recv()
                self.pulse.hear(word)
                if word not in {"alive", "loads"}:
                    self._hear(self, word, content)
        except (EOFError, OSError):
            return

    def _watch(self) -> None:
        self.process.join()
        self.ended.set()
        self._outbox.close()
        self._hear(self, "ended", self.process.exitcode)
