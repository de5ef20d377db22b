"""Sequences of a service with several workers: one count for all, whatever becomes of a worker."""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from serving import Server, hear, replace_file

from engine.errors import Overloaded
from engine.server import worker as worker_module
from engine.server.http import Front
from engine.server.worker import Follower

NUMBERS = 400


def spec(title: str = "a") -> bytes:
    """A sequence whose every request gets another number, one for each value of a parameter, and a plain one."""
    some = [
        {"times": 5, "response": {"text": "a"}},
        {"times": 7, "response": {"text": "b"}},
        {"response": {"text": "c"}},
    ]
    numbers = [{"response": {"text": str(number)}} for number in range(NUMBERS)]
    return json.dumps(
        {
            "service": {"title": title},
            "routes": [
                {"path": "/all", "sequence": {"responses": some}},
                {"path": "/of/<id>", "sequence": {"responses": some, "per": "path.id"}},
                {
                    "path": "/number",
                    "sequence": {"responses": numbers},
                },
            ],
        }
    ).encode()


def ask(server: Server, path: str, times: int) -> list[str]:
    """Ask so many times, each by a connection of its own, so that all workers answer; no answer is an empty text."""
    answers = []
    for _ in range(times):
        try:
            answers.append(server.request("GET", path)[2].decode())
        except (OSError, http.client.HTTPException):
            answers.append("")
    return answers


def ask_at_once(server: Server, path: str, times: int, clients: int = 4) -> list[str]:
    with ThreadPoolExecutor(clients) as pool:
        asked = pool.map(lambda _: ask(server, path, times), range(clients))
        return [answer for some in asked for answer in some]


def test_workers_share_a_count_until_a_reload(tmp_path: Path, serve_here: Callable[..., Server]) -> None:
    (tmp_path / "routes.yaml").write_bytes(spec())
    server = serve_here()
    assert {"a": 5, "b": 7, "c": 28} == Counter(ask_at_once(server, "/all", 10))
    assert {"a": 5, "b": 7, "c": 28} == Counter(ask_at_once(server, "/of/1", 10))
    assert ["a"] * 5 + ["b"] * 3 == ask(server, "/of/2", 8)
    replace_file(tmp_path / "routes.yaml", spec("b"))
    server.wait_for_generation(2)
    assert {"a": 5, "b": 7, "c": 8} == Counter(ask_at_once(server, "/all", 5))


def test_a_worker_that_is_killed_takes_no_count_with_it(tmp_path: Path, serve_here: Callable[..., Server]) -> None:
    (tmp_path / "routes.yaml").write_bytes(spec())
    server = serve_here()
    before = server.workers()
    given: list[str] = []
    asking = threading.Thread(target=lambda: given.extend(ask_at_once(server, "/number", 60)))
    asking.start()
    os.kill(before[0], signal.SIGKILL)
    asking.join(60)
    server.wait_until(lambda status: before[0] not in [one["pid"] for one in status["workers"]])
    server.wait_until(lambda status: all(one["generation"] for one in status["workers"]) and len(server.workers()) == 2)
    given += ask(server, "/number", 20)
    numbers = [int(one) for one in given if one]
    assert len(numbers) == len(set(numbers))
    assert max(numbers) < len(given)  # only requests that were lost have used a number up
    assert len(given) - len(numbers) <= 4 * 60


@pytest.fixture
def followed() -> Any:
    """The supervisor's end of a channel, and a follower that listens at the other."""
    ours, theirs = multiprocessing.Pipe()
    follows = Follower(theirs, Front(), lambda: None)
    follows._leave = lambda: None  # it would end this process
    follows._number, follows._status = 1, {"generation": 1}
    follows.begin()
    with contextlib.closing(ours):
        yield ours, follows


def test_a_turn_is_told_while_a_generation_is_built(followed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, follows = followed
    built = threading.Event()

    def build(*_: Any) -> Any:
        assert built.wait(30)
        raise ValueError

    monkeypatch.setattr(follows, "_build", build)
    ours.send(("generation", (2, b"")))
    assert ("loads", None) == hear(ours)
    with ThreadPoolExecutor(1) as pool:
        turn = pool.submit(follows._open_counter(1, "GET / "), b"key")
        word, (ticket, *asked) = hear(ours)
        assert ("next", [1, "GET / ", b"key"]) == (word, asked)
        ours.send(("turn", (ticket, 42)))
        assert 42 == turn.result(30)
    built.set()
    assert ("failed", (2, "ValueError: ")) == hear(ours)


def test_a_turn_that_is_not_told_in_time_is_an_overload(followed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, follows = followed
    monkeypatch.setattr(worker_module, "GATHER_SECONDS", 0.05)
    with pytest.raises(Overloaded, match="the turn of this request in its sequence cannot be told"):
        follows._open_counter(1, "a")(b"")
