"""What the tests of faults share: a server, and clients that ask and count."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
from serving import Server, serving

Judge = Callable[[int, dict[str, str], bytes], str]


class Clients:
    """Clients that ask one thing after another and count: half keep their connection, half make new ones.

    `judge` names what is wrong with an answer, or gives an empty string.
    """

    def __init__(self, server: Server, count: int, judge: Judge, path: str = "/") -> None:
        self.answered = 0
        self.wrong: Counter[str] = Counter()
        self._judge = judge
        self._path = path
        self._stop = threading.Event()
        self._server = server
        self._threads = [threading.Thread(target=self._ask, args=[number % 2 == 0]) for number in range(count)]

    def _ask(self, keeps: bool) -> None:
        connection = self._server.connect()
        while not self._stop.is_set():
            try:
                connection.request("GET", self._path)
                answer = connection.getresponse()
                headers = {name.lower(): value for name, value in answer.getheaders()}
                wrong = self._judge(answer.status, headers, answer.read())
            except (OSError, http.client.HTTPException) as error:
                wrong = type(error).__name__
                connection.close()
            if wrong:
                self.wrong[wrong] += 1
            else:
                self.answered += 1
            if not keeps:
                connection.close()
        connection.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def serve_here(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Serve the spec in the test's folder, with 2 workers."""
    with contextlib.ExitStack() as stack:

        def serve(*arguments: str) -> Server:
            return stack.enter_context(serving(tmp_path, "-w", "2", *arguments))

        yield serve
