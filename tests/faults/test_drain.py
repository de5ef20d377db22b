"""SIGTERM under load: everything accepted is answered, and who asks for nothing does not delay the end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import Server

from engine.server.listening.listener import Listener

# It measures seconds or memory that others would take from it.
pytestmark = pytest.mark.alone

SLOW_SECONDS = 2.0
SLOW, IDLE, ASKING = 6, 30, 4
GRACE_SECONDS = 9.0
MODULE = f"""
import time
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

class Slow(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.n_features_in_ = 1
        return self
    def predict(self, X):
        if float(np.max(X)) == 7:
            time.sleep({SLOW_SECONDS})
        return np.zeros(len(X))
"""
SPEC = """routes:
  - path: /
    response: hello
  - path: /slow
    model: slow
"""
MODELS = """models:
  slow:
    file: slow.pkl
    runtime: sklearn
    input: {type: array, items: {type: number}, minItems: 1, maxItems: 1}
"""


@pytest.fixture
def server(tmp_path: Path, save_slow: Callable[[str], None], serve_here: Callable[..., Server]) -> Server:
    save_slow(MODULE)
    (tmp_path / "routes.yaml").write_text(SPEC)
    (tmp_path / "models.yaml").write_text(MODELS)
    return serve_here()


def test_a_stop_loses_nothing_that_was_accepted(server: Server) -> None:
    slow_answers: list[int] = []
    answers: list[int] = []
    lost: list[str] = []
    stopped = threading.Event()

    def ask_slowly() -> None:
        slow_answers.append(server.request("POST", "/slow", body=json.dumps([7]))[0])

    def ask() -> None:
        while not stopped.is_set():
            connection = server.connect()
            try:
                connection.connect()
                connection.request("GET", "/")
            except OSError:
                return  # nobody listens any more: nothing was accepted
            try:
                answers.append(connection.getresponse().status)
            except (OSError, http.client.HTTPException) as error:
                lost.append(repr(error))
            finally:
                connection.close()

    with contextlib.ExitStack() as stack:
        for _ in range(IDLE):
            idle = stack.enter_context(contextlib.closing(server.connect()))
            idle.request("GET", "/")
            idle.getresponse().read()
        threads = [threading.Thread(target=ask_slowly) for _ in range(SLOW)]
        threads += [threading.Thread(target=ask) for _ in range(ASKING)]
        for thread in threads:
            thread.start()
        time.sleep(SLOW_SECONDS / 4)
        begin = time.monotonic()
        assert 0 == server.stop()
        assert time.monotonic() - begin < GRACE_SECONDS
        stopped.set()
        for thread in threads:
            thread.join()
    assert [200] * SLOW == slow_answers
    assert {200} == set(answers)
    assert not lost


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_that_reaches_the_workers_too_is_an_ordinary_stop(signum: int, status: int, server: Server) -> None:
    """As ^C on a terminal does, and systemd's SIGTERM to a whole control group."""
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(server.request("POST", "/slow", body="[7]")[0]))
    asking.start()
    time.sleep(SLOW_SECONDS / 4)
    for process in [*server.workers(), server.process.pid]:
        os.kill(process, signum)
    assert status == server.process.wait(30)
    asking.join()
    assert [200] == answers


def test_a_second_signal_waits_for_nobody(server: Server) -> None:
    with contextlib.closing(server.connect()) as connection:
        connection.request("POST", "/slow", body="[7]")
        time.sleep(SLOW_SECONDS / 4)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGINT)
        server.process.wait(30)
        assert time.monotonic() - begin < SLOW_SECONDS
    assert any(re.search(r"killing workers? [\d and,]+: a second signal was received", line) for line in server.lines)


def test_a_stop_without_the_kernels_help_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    class Socket:
        def setsockopt(self, *_: object) -> None:
            raise PermissionError

        def getsockopt(self, *_: object) -> None:
            raise OSError

        def getsockname(self) -> tuple[str, int]:
            return "127.0.0.1", 5000

    monkeypatch.setattr("sys.platform", "linux")
    listener = Listener([Socket(), Socket(), Socket()], 2)
    listener.aim([1])
    listener.turn_away_newcomers()
    assert 0 == listener.count_waiting()
