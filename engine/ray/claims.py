"""Claims: that one command at a time deploys an application.

A claim is a value in the store of Ray's head that its owner changes every second, so that others see whether the owner
still lives, whatever their clocks say.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import EngineError
from engine.ray.store import add_value, delete_value, read_value, write_value

_CHANGE_SECONDS = 1.0
# An owner that has changed nothing for so long has ended.
STALE_SECONDS = 10.0
# How long another one is waited for.
MOST_SECONDS = 300.0


@contextmanager
def claim_application(name: str) -> Iterator[None]:
    """Let nobody else deploy an application meanwhile; wait for whoever does, and raise `EngineError` at last."""
    key, own = f"claim/{name}", secrets.token_hex(8)
    _await_claim(key, own, name)
    ended = threading.Event()

    def keep() -> None:
        number = 0
        while not ended.wait(_CHANGE_SECONDS):
            number += 1
            write_value(key, f"{own}/{number}".encode())

    keeper = threading.Thread(target=keep, name="claim", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        delete_value(key)


def _await_claim(key: str, own: str, name: str) -> None:
    seen, since, began = None, time.monotonic(), time.monotonic()
    while not add_value(key, f"{own}/0".encode()):
        now, found = time.monotonic(), read_value(key)
        if found != seen:
            seen, since = found, now
        elif now - since > STALE_SECONDS:
            delete_value(key)
        if now - began > MOST_SECONDS:
            message = f'another command has been deploying "{name}" for {MOST_SECONDS:g} s; try again when it has ended'
            raise EngineError(message)
        time.sleep(_CHANGE_SECONDS / 4)
