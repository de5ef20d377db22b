"""What a request costs of the processor's time, held against what it may: 10 ms and 1 µs for each byte."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from handler_door import Door
from werkzeug.test import create_environ

from engine import create_app

SECONDS, SECONDS_PER_BYTE = 0.010, 1e-6
TRIES = 3


def app_of(schema: Any, folder: Path) -> Door:
    route = {"path": "/", "input": schema, "response": {"text": "valid"}, "limits": {"body": "4 MiB"}}
    (folder / "routes.yaml").write_bytes(orjson.dumps({"routes": [route]}))
    return Door(create_app(folder / "routes.yaml"))


def ask(app: Door, body: bytes, **more: str) -> tuple[int, bytes]:
    own = {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/json"}
    environ = {**create_environ("/", method="POST"), **own, **more}
    statuses: list[str] = []
    answer = b"".join(app(environ, lambda status, _, *__: statuses.append(status)))
    return int(statuses[0][:3]), answer


def is_within(size: int, do: Callable[[], object], besides: float = 0) -> bool:
    """Tell whether something costs what so many bytes may, in one of a few tries: others are at work here."""
    return any(seconds_of(do) - besides < SECONDS + SECONDS_PER_BYTE * size for _ in range(TRIES))


def seconds_of(do: Callable[[], object]) -> float:
    begin = time.process_time()
    do()
    return time.process_time() - begin


def hold_to_the_bound(app: Door, body: bytes) -> None:
    parsing = seconds_of(lambda: orjson.loads(body))
    assert is_within(len(body), lambda: ask(app, body), besides=parsing)
