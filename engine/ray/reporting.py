"""How a replica tells the register of itself, and asks it: from threads that may wait."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from engine.endpoints import Counter, Counts, Meter, Problem, Status
from engine.errors import Overloaded
from engine.ray.asking import Asker
from engine.ray.register import REPORT_SECONDS, UNKNOWN, Report

logger = logging.getLogger("engine")

# How long a scrape waits for the register, and a request to a sequence for its turn.
ASK_SECONDS = 3.0
_RETRY = (("Retry-After", "1"),)


@dataclass(slots=True)
class Progress:
    """How far a replica is: its generation, its models, and why it has not taken a newer one."""

    generation: int = 0
    models: Sequence[Mapping[str, Any]] = field(default_factory=list)
    failed: str = ""


class Reporter:
    """Reports every second, in a thread of its own."""

    def __init__(self, register: DeploymentHandle, meter: Meter, asker: Asker) -> None:
        self.progress = Progress()
        self._register = register
        self._asker = asker
        self._meter = meter
        self._status = UNKNOWN
        self._is_lost = False
        self._lock = threading.Lock()
        self._reports = 0
        context = ray.get_runtime_context()
        self._node = context.get_node_id()
        self._address = ray.util.get_node_ip_address()
        self._replica: str = serve.get_replica_context().replica_id.unique_id

    def start(self) -> None:
        """Report now, and from now on, for as long as the process lives."""
        self._tell()
        threading.Thread(target=self._run, name="reports", daemon=True).start()

    def status(self) -> Status:
        """Say what the register has said last."""
        return Status(ready=True, document=self._status)

    def numbers(self) -> Counts:
        """Ask for what all replicas have counted; raise `Problem` where nobody answers in time.

        This replica's own counts are less than the sum, and would look as if the counters had been reset.
        """
        try:
            counts: Counts = self._ask("numbers", self._report())
        except Problem:
            raise
        except Exception as error:  # noqa: BLE001 - Ray raises all kinds of them
            logger.warning("the metrics of the replicas could not be collected: %s", error)
            detail = "the metrics of the replicas cannot be collected at the moment"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=_RETRY) from None
        return counts

    def open_counter(self, generation: int, name: str) -> Counter:
        """Return a counter that the register keeps for all replicas; it raises `Overloaded` where nobody answers."""

        def count(key: bytes) -> int:
            try:
                turn: int = self._ask("turn", generation, name, key)
            except Problem:
                raise
            except Exception:  # noqa: BLE001 - as above
                raise Overloaded("the turn of this request in its sequence cannot be told") from None
            return turn

        return count

    def _run(self) -> None:
        while True:
            time.sleep(REPORT_SECONDS)
            self._tell()

    def _tell(self) -> None:
        """Report; where nobody answers, say so once."""
        try:
            self._status = self._ask("report", self._report())
            self._is_lost = False
        except Exception as error:  # noqa: BLE001 - as above
            if not self._is_lost:
                logger.warning("the register of the application does not answer: %s", error)
            self._is_lost = True

    def _report(self) -> Report:
        progress = self.progress
        with self._lock:
            self._reports += 1
            number, counts = self._reports, self._meter.numbers()
        return Report(
            replica=self._replica,
            number=number,
            node=self._node,
            address=self._address,
            pid=os.getpid(),
            generation=progress.generation,
            failed=progress.failed,
            models=progress.models,
            counts=counts,
        )

    def _ask(self, question: str, *content: Any) -> Any:
        return self._asker.ask(self._register, question, *content, seconds=ASK_SECONDS)
