"""Processes are killed while clients ask: only what was in flight in a killed one is lost, and nobody gives up."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import Clients, Server

from engine.isolation import OOM_SCORE, run_isolated
from engine.server import worker
from engine.server.supervising.supervisor import Patience

# For what measures seconds that others would take from it.
alone = pytest.mark.alone

SPEC = """routes:
  - path: /
    response: hello
"""


@pytest.fixture
def server(tmp_path: Path, serve_here: Callable[..., Server]) -> Server:
    (tmp_path / "routes.yaml").write_text(SPEC)
    return serve_here()


def is_fine(status: int, _headers: dict[str, str], body: bytes) -> str:
    return "" if (200, b"hello") == (status, body) else f"{status} {body!r}"


def kill(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def seconds_until_it_answers(server: Server) -> float:
    begin = time.monotonic()
    while True:
        try:
            if server.request("GET", "/")[0] == 200:
                return time.monotonic() - begin
        except (OSError, http.client.HTTPException):
            time.sleep(0.01)
        assert time.monotonic() - begin < 30, "".join(server.lines)


def wait_for(server: Server, count: int) -> list[int]:
    deadline = time.monotonic() + 30
    while len(found := server.workers()) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert count == len(found)
    return found


@alone
@pytest.mark.parametrize("kills", [8, pytest.param(40, marks=pytest.mark.soak)])
def test_one_worker_after_another_is_killed_and_only_what_it_had_in_flight_is_lost(server: Server, kills: int) -> None:
    with Clients(server, 4, is_fine, pause=0) as clients:
        for turn in range(kills):
            kill([wait_for(server, 2)[turn % 2]])
            time.sleep(0.05)
    failed = clients.wrong.total()
    assert failed <= kills * 4  # four clients have one request each in flight
    assert clients.answered > 50 * failed
    assert 0 == server.stop()


def back_seconds() -> float:
    """Two seconds, or on a slow machine four times what it takes a process just now to import what a worker does."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", "import engine.server.worker"], check=True)
    return max(2.0, 4 * (time.monotonic() - begin))


@alone
@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.soak)])
def test_all_workers_are_killed_at_once_again_and_again_and_the_service_is_back_soon(
    server: Server, kills: int
) -> None:
    for _ in range(kills):
        kill(wait_for(server, 2))
        assert seconds_until_it_answers(server) <= back_seconds()
    assert any("was killed by signal 9 (SIGKILL); starting a replacement" in line for line in server.lines)
    assert 0 == server.stop()


@alone
def test_a_worker_that_is_killed_twice_within_a_second_is_replaced_twice(server: Server) -> None:
    first = server.workers()
    kill(first)
    second = wait_for(server, 2)
    kill(second)
    assert seconds_until_it_answers(server) <= back_seconds()
    assert not {*first, *second} & {*wait_for(server, 2)}


def test_workers_end_when_their_supervisor_is_killed(server: Server) -> None:
    pids = server.workers()
    server.process.kill()
    server.process.wait()
    deadline = time.monotonic() + 15
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_memory_that_runs_out_ends_a_worker_and_never_the_supervisor(server: Server) -> None:
    """The kernel sends SIGKILL to the process with the highest score; so does this test."""
    for kills in range(3):
        server.wait_until(
            lambda status, kills=kills: (
                (kills, [1, 1])
                == (status["restarts"]["killed"], [worker["generation"] for worker in status["workers"]])
            )
        )
        workers = wait_for(server, 2)
        scores = {pid: score_of(pid) for pid in (server.process.pid, *workers)}
        assert min(scores[pid] for pid in workers) > scores[server.process.pid] + 30, scores
        kill([max(scores, key=scores.__getitem__)])
        seconds_until_it_answers(server)
    assert server.process.poll() is None


def test_the_check_of_a_change_ends_before_a_worker_does() -> None:
    own = score_of(os.getpid())
    assert own + OOM_SCORE / 2 < run_isolated(score_here, hear=lambda _: None) > own + worker.OOM_SCORE


def score_here(_: object) -> int:
    return score_of(os.getpid())


def score_of(pid: int) -> int:
    """How the kernel scores a process where memory runs out."""
    return int(Path(f"/proc/{pid}/oom_score").read_text())


def test_a_worker_that_dies_young_is_replaced_later_each_time_but_always_within_a_second() -> None:
    patience = Patience()
    assert [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0] == [patience.delay(age=0.5) for _ in range(7)]
    assert [0.0, 0.05] == [patience.delay(age=60.0), patience.delay(age=0.5)]
