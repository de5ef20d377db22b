"""The end of a service: everything that was accepted is answered, and whoever connects later finds the port closed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from engine.server.listening.listener import Addresses
from engine.server.notify import notify_systemd
from engine.server.supervising.worker_handle import Worker
from engine.text import join_words

logger = logging.getLogger("engine")

# How a stop goes: those in the queue are accepted, answers close their connections, workers end, and are killed.
QUEUE_SECONDS = 1.0
CLOSING_SECONDS = 0.3
STOP_SECONDS = 10.0


def answer_and_end(addresses: Addresses, workers: Sequence[Worker], is_hurried: Callable[[], bool]) -> None:
    """Have the workers answer and end; from the moment that it is hurried, none of these waits goes on."""

    def wait_until(holds: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not is_hurried() and not holds() and time.monotonic() < deadline:
            time.sleep(0.01)

    notify_systemd("STOPPING=1")
    logger.info("stopping; finishing requests in progress")
    addresses.turn_away_newcomers()
    for worker in workers:
        worker.say("drain")
    wait_until(lambda: False, CLOSING_SECONDS)
    wait_until(lambda: not workers or not addresses.count_waiting(), QUEUE_SECONDS - CLOSING_SECONDS)
    for worker in workers:
        worker.say("stop")
    wait_until(lambda: all(worker.ended.is_set() for worker in workers), STOP_SECONDS)
    if late := [worker for worker in workers if not worker.ended.is_set()]:
        numbers = join_words([str(worker.number) for worker in late], "and")
        why = "a second signal was received" if is_hurried() else f"not stopped within {STOP_SECONDS:.0f} seconds"
        logger.warning("killing %s %s: %s", "worker" if len(late) == 1 else "workers", numbers, why)
    for worker in late:
        worker.process.kill()
    for worker in workers:
        worker.ended.wait(STOP_SECONDS)
    addresses.close()
    logger.info("stopped")
