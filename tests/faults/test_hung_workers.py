"""Workers that are stopped or hang are found and replaced while clients ask; healthy ones never are."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import joblib
import pytest
from serving import Server, pause, replace_file, serving
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

# It measures seconds or memory that others would take from it.
pytestmark = pytest.mark.alone

LIMIT = 1.0
# Detection, the start of the successor on a machine that has more to do, and a generous rest.
BACK_SECONDS = 20.0
SPEC = """routes:
  - path: /
    response: hello
  - path: /hang
    model: text
  - path: /long
    methods: [POST]
    input: {type: array, items: {type: integer, minimum: 1}}
    limits: {body: 16 MiB}
    response: fine
"""
MODELS = """models:
  text:
    file: text.pkl
    runtime: sklearn
    timeout: 2
    input: {type: string}
"""
HANGS = json.dumps("a" * 60 + "!")
# A model that takes its time in a worker, without ever releasing the interpreter's lock.
SLOW = """
import ctypes, multiprocessing
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

class Slow(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.n_features_in_ = 1
        return self
    def predict(self, X):
        return np.full(len(X), getattr(self, "version", 0))
    def __setstate__(self, state):
        if multiprocessing.current_process().name.startswith("worker-"):
            ctypes.PyDLL(None).usleep(int(state.get("seconds", 0) * 1_000_000))
        self.__dict__.update(state)
"""
SLOW_SPEC = "routes: [{path: /, response: hello}, {path: /slow, model: slow}]"
SLOW_MODELS = """models:
  slow: {file: slow.pkl, runtime: sklearn, input: {type: array, items: {type: number}, minItems: 1, maxItems: 1}}
"""


@pytest.fixture
def plain(tmp_path: Path, serve_here: Callable[..., Server]) -> Server:
    """Three workers that have little to do."""
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hello}]")
    running = serve_here("-w", "3", "--hang-timeout", f"{LIMIT}s")
    running.wait_for_generation(1)
    return running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A model whose vectorizer has a pattern that takes for ever on some texts, and a while on others."""
    folder = tmp_path_factory.mktemp("hanging")
    model = make_pipeline(CountVectorizer(token_pattern=r"(?:a|aa)+$|\w+"), LogisticRegression())
    joblib.dump(model.fit(["a b", "b", "c d", "c"], [0, 0, 1, 1]), folder / "text.pkl")
    (folder / "routes.yaml").write_text(SPEC)
    (folder / "models.yaml").write_text(MODELS)
    with serving(folder, "-w", "2", "--hang-timeout", f"{LIMIT}s") as running:
        running.wait_for_generation(1)
        yield running


def wait_for(server: Server, holds: Callable[[dict[str, Any]], bool], seconds: float = 2 * BACK_SECONDS) -> None:
    """Wait for a status; a worker that hangs does not tell it, and who asks it is cut off with its end."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if holds(server.status()):
                return
        assert time.monotonic() < deadline, "".join(server.lines)
        time.sleep(0.02)


def has_replaced(count: int, workers: int) -> Callable[[dict[str, Any]], bool]:
    """Whether so many hung workers have been replaced, and all workers serve."""
    return lambda status: (
        status["restarts"]["hung"] == count
        and len(status["workers"]) == workers
        and all(worker["generation"] for worker in status["workers"])
    )


def pids(server: Server) -> dict[int, int]:
    return {worker["number"]: worker["pid"] for worker in server.status()["workers"]}


def restarts(server: Server) -> dict[str, int]:
    return server.status()["restarts"]


class Newcomers:
    """Clients that each make one new connection after another; `waits` are how long each was not answered."""

    def __init__(self, server: Server, count: int) -> None:
        self.waits: list[float] = []
        self.lost = 0
        self._server = server
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(count)]

    def _ask(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                assert 200 == self._server.request("GET", "/")[0]
            except (OSError, http.client.HTTPException):
                self.lost += 1
            self.waits.append(time.monotonic() - began)
            time.sleep(0.002)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_a_stopped_worker_is_replaced_and_loses_no_connection_that_it_has_not_accepted(plain: Server) -> None:
    before = pids(plain)
    with Newcomers(plain, 4) as clients:
        time.sleep(0.3)
        pause(before[2])
        wait_for(plain, has_replaced(1, 3))
        answered = len(clients.waits)
        time.sleep(0.5)
    assert len(clients.waits) > answered
    assert clients.lost <= 4  # each has one connection, which it may just have accepted
    assert max(clients.waits) < BACK_SECONDS
    assert {"ended": 0, "killed": 0, "hung": 1} == restarts(plain)
    assert [before[1], before[3]] == [pids(plain)[1], pids(plain)[3]]
    assert any(
        f"worker 2 (process {before[2]}) has not responded for the time of --hang-timeout; killing it" in line
        for line in plain.lines
    )
    assert 'engine_worker_restarts_total{reason="hung"} 1.0' in plain.request("GET", "/metrics")[2].decode()


def test_new_connections_go_to_the_others_long_before_a_hung_worker_is_ended(
    tmp_path: Path, serve_here: Callable[..., Server]
) -> None:
    """Nor to one that may be hung and may be not."""
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hello}]")
    server = serve_here("--hang-timeout", "0")
    server.wait_for_generation(1)
    first, other = pids(server).values()
    pause(first)
    try:
        deadline = time.monotonic() + BACK_SECONDS
        while True:
            answers = 0
            for _ in range(40):
                client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=0.5)
                with contextlib.closing(client), contextlib.suppress(OSError):
                    client.request("GET", "/")
                    answers += client.getresponse().status == 200
                if answers == 0:
                    break
            if answers == 40:
                break
            assert time.monotonic() < deadline
        workers = server.status()["workers"]
        assert {first: False, other: True} == {worker["pid"]: worker["responds"] for worker in workers}
    finally:
        os.kill(first, signal.SIGCONT)
    server.wait_until(lambda status: all(worker["responds"] for worker in status["workers"]))
    assert [first, other] == [*pids(server).values()]


@pytest.fixture
def slow_server(
    tmp_path: Path, save_slow: Callable[[str], None], serve_here: Callable[..., Server]
) -> Iterator[Server]:
    save_slow(SLOW)
    (tmp_path / "routes.yaml").write_text(SLOW_SPEC)
    (tmp_path / "models.yaml").write_text(SLOW_MODELS)
    running = serve_here("--hang-timeout", f"{LIMIT}s")
    running.wait_for_generation(1)
    return running


def save_again(server: Server, seconds: float) -> None:
    model = sys.modules["slow_module"].Slow().fit(None, None)
    model.version, model.seconds = 7, seconds
    joblib.dump(model, server.folder / "new.pkl")
    pinned = (server.folder / "models.lock").read_bytes()
    (server.folder / "models.lock").unlink()
    assert pinned
    replace_file(server.folder / "slow.pkl", (server.folder / "new.pkl").read_bytes())


def load_slowly(server: Server, seconds: float) -> None:
    before = pids(server)
    began = time.monotonic()
    save_again(server, seconds)
    wait_for(server, lambda status: all(one["generation"] == 2 for one in status["workers"]), 4 * BACK_SECONDS)
    assert time.monotonic() - began > seconds
    assert before == pids(server)
    assert {"ended": 0, "killed": 0, "hung": 0} == restarts(server)
    assert b'{"result":[7]}\n' == server.request("POST", "/slow", body="[1]")[2]


def test_a_worker_that_unpickles_for_longer_than_the_limit_is_not_killed(slow_server: Server) -> None:
    load_slowly(slow_server, 3 * LIMIT)


@pytest.mark.soak
def test_a_worker_that_unpickles_for_30_seconds_is_not_killed(
    tmp_path: Path, save_slow: Callable[[str], None], serve_here: Callable[..., Server]
) -> None:
    save_slow(SLOW)
    (tmp_path / "routes.yaml").write_text(SLOW_SPEC)
    (tmp_path / "models.yaml").write_text(SLOW_MODELS)
    load_slowly(serve_here(), 30.0)


def test_a_pause_of_all_processes_kills_nobody(plain: Server) -> None:
    """Whichever goes on first."""
    before = pids(plain)
    group = [plain.process.pid, *before.values()]
    for order in (group, group[::-1]):
        for pid in order:
            pause(pid)
        time.sleep(2 * LIMIT)
        for pid in order:
            os.kill(pid, signal.SIGCONT)
        time.sleep(1.5 * LIMIT)
        assert before == pids(plain)
    assert {"ended": 0, "killed": 0, "hung": 0} == restarts(plain)


def keep_busy(server: Server, threads: int, hogs: int, seconds: float) -> None:
    """Have many threads of each worker compute under the interpreter's lock, beside other processes that compute."""
    numbers = json.dumps([1] * 2_000_000)  # to read and to judge them keeps the lock for a few tenths of a second
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(hogs)]
    deadline = time.monotonic() + seconds
    statuses: list[int] = []

    def ask() -> None:
        while time.monotonic() < deadline:
            # the machine has more to do than it can; or a body is refused, and its connection closed, while it is sent
            with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
                statuses.append(server.request("POST", "/long", body=numbers)[0])

    asking = [threading.Thread(target=ask) for _ in range(threads)]
    try:
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert 200 in statuses
    assert {*statuses} <= {200, 503}  # bodies of more than 64 MiB at once


def test_a_worker_whose_threads_all_compute_is_not_killed(server: Server) -> None:
    before = pids(server)
    keep_busy(server, threads=24, hogs=4, seconds=4 * LIMIT)
    assert before == pids(server)


@pytest.mark.soak
def test_a_worker_whose_threads_all_compute_is_not_killed_at_a_load_average_of_50(server: Server) -> None:
    before = pids(server)
    keep_busy(server, threads=64, hogs=50, seconds=40)
    assert before == pids(server)


def test_code_that_keeps_the_interpreters_lock_is_ended_and_others_go_on(server: Server) -> None:
    """A pattern that backtracks for ever: only the worker that it hangs is lost, with what it had in hand."""
    before = pids(server)
    with contextlib.closing(server.connect()) as hanging, Newcomers(server, 4) as clients:
        hanging.request("POST", "/hang", body=HANGS)
        wait_for(server, has_replaced(1, 2))
        with pytest.raises((OSError, http.client.HTTPException)):
            hanging.getresponse()
    assert clients.lost <= 4
    assert max(clients.waits) < BACK_SECONDS
    assert 1 == len({*before.values()} & {*pids(server).values()})
    assert {"ended": 0, "killed": 0, "hung": 1} == restarts(server)


def test_all_workers_hang_and_are_replaced_one_after_another(plain: Server) -> None:
    before = pids(plain)
    for pid in before.values():
        pause(pid)
    begin = time.monotonic()
    assert 200 == plain.request("GET", "/")[0]
    assert time.monotonic() - begin < BACK_SECONDS
    wait_for(plain, has_replaced(3, 3))
    assert not {*before.values()} & {*pids(plain).values()}
