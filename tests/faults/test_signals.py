"""Signals in all orders and at all times: none is lost, whichever thread the kernel gives it to."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import Server, command, serving

HUP, TERM, INT, STOP, CONT = (getattr(signal, f"SIG{name}") for name in ("HUP", "TERM", "INT", "STOP", "CONT"))
STATUS = {TERM: 0, INT: 130}
PATIENCE_SECONDS = 30.0
# After this long, on a machine that has more to do, a stop is taken for lost.
LOST_SECONDS = 15.0


def orders(stop: int) -> Iterator[list[int]]:
    """Every order of a stop and a hang-up, with a pause of the process around any part of it, or none."""
    for signals in ([stop], [HUP, stop], [stop, HUP]):
        yield signals
        for begin, end in itertools.combinations(range(len(signals) + 1), 2):
            yield [*signals[:begin], STOP, *signals[begin:end], CONT, *signals[end:]]


ORDERS = [*orders(TERM), *orders(INT)]

# Starts one process after another that hears signals, with threads that wait as those of a service do.
PROCESSES = """
import multiprocessing, os, sys, threading
from engine.server.listening.listener import Addresses
from engine.server.listening.listener import listen
from engine.server.logs import Logs
from engine.isolation import poll
from engine.server.signals import Signals
from engine.server.supervising.supervisor import Supervisor

def supervise():
    with listen("127.0.0.1", 0, 1) as listener:
        supervisor = Supervisor(Addresses(listener), 0, Logs(), lambda: None)
        Signals().hand_over(supervisor.stop, lambda: None)
        print("pid", os.getpid(), flush=True)
        supervisor.run()
    os._exit({15: 0, 2: 130}[supervisor.stopped_by])

def check():
    ours, theirs = multiprocessing.Pipe()
    try:
        Signals()
        print("pid", os.getpid(), flush=True)
        poll(ours, 600)
    except SystemExit:
        os._exit(0)
    except KeyboardInterrupt:
        os._exit(130)

for _ in sys.stdin:
    if pid := os.fork():
        print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
        continue
    for _ in range(8):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    globals()[sys.argv[1]]()
"""


def lost_orders(job: str, rounds: int) -> list[list[int]]:
    """Send every order of signals to a process that does a job, at once or into its wait; give those that are lost."""
    lost = []
    with subprocess.Popen(
        [sys.executable, "-c", PROCESSES, job], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as process:

        def read(seconds: float) -> int | None:
            return (
                int(process.stdout.readline().split()[1])
                if select.select([process.stdout], [], [], seconds)[0]
                else None
            )

        for order in ORDERS * rounds:
            process.stdin.write(b"\n")
            pid = read(PATIENCE_SECONDS)
            time.sleep(random.choice([0.0, 0.1]))
            for signum in order:
                os.kill(pid, signum)
            status = read(LOST_SECONDS)
            if status is None:
                lost.append(order)
                os.kill(pid, signal.SIGKILL)
                read(PATIENCE_SECONDS)
            else:
                assert STATUS[TERM if TERM in order else INT] == status
        process.stdin.close()
    return lost


@pytest.mark.parametrize("job", ["supervise", "check"])
@pytest.mark.parametrize(
    "rounds", [1, pytest.param(1 + 200 // len(ORDERS), marks=pytest.mark.soak)], ids=["once", "200 times"]
)
def test_no_stop_is_lost_in_any_order(rounds: int, job: str) -> None:
    """Neither by the loop of the supervisor nor by the wait for a check; before the loop has begun, and in it."""
    assert [] == lost_orders(job, rounds)


@pytest.mark.soak
def test_no_stop_of_a_whole_service_is_lost_in_200(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hello}]")
    for order in ORDERS * (200 // len(ORDERS)):
        with serving(tmp_path, "-w", "1") as server:
            time.sleep(random.choice([0.0, 0.3]))
            for signum in order:
                server.process.send_signal(signum)
            assert STATUS[TERM if TERM in order else INT] == server.process.wait(PATIENCE_SECONDS), order


MODULE = """
import multiprocessing, time
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

class Slow(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.n_features_in_ = 1
        return self
    def predict(self, X):
        if float(np.max(X)) == 7:
            time.sleep(60)
        return np.zeros(len(X))
    def __setstate__(self, state):
        if not multiprocessing.current_process().name.startswith("worker-"):
            time.sleep(state.get("seconds", 0))
        self.__dict__.update(state)
"""
MODELS = """models:
  slow: {file: slow.pkl, runtime: sklearn, input: {type: array, items: {type: number}, minItems: 1, maxItems: 1}}
"""


@pytest.fixture
def folder(tmp_path: Path, save_slow: Callable[[str], None]) -> Path:
    save_slow(MODULE)
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hello}, {path: /slow, model: slow}]")
    (tmp_path / "models.yaml").write_text(MODELS)
    return tmp_path


def slow_down(folder: Path) -> None:
    import joblib

    model = sys.modules["slow_module"].Slow().fit(None, None)
    model.seconds = 120
    (folder / "models.lock").unlink(missing_ok=True)
    joblib.dump(model, folder / "slow.pkl")


def checks_of(server: Server) -> list[int]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := server.checks()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def children(pid: int) -> list[int]:
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("stop", [TERM, INT])
def test_a_stop_during_the_first_check_ends_the_command_and_a_hang_up_does_not(stop: int, folder: Path) -> None:
    slow_down(folder)
    with subprocess.Popen(
        command("serve", "-p", "0"),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while len(found := children(process.pid)) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)  # the check, and what multiprocessing starts beside it
            time.sleep(0.5)
            if stop == INT:  # as ^C does
                for pid in found:
                    os.kill(pid, INT)
            for signum in (HUP, STOP, HUP, stop, CONT):
                process.send_signal(signum)
            assert STATUS[stop] == process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
        assert "Traceback" not in process.stdout.read()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(map(is_alive, found)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in found if is_alive(pid)]


def test_a_hang_up_during_the_first_check_is_remembered(tmp_path: Path) -> None:
    """As it may have read the files before they were changed."""
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hello}]")
    heard = """
import os, signal, sys
from engine.commands import main
from engine.server import service as module
first_check = sys.modules["engine.server.service"].first_check

def check(*arguments):
    done = first_check(*arguments)
    os.kill(os.getpid(), signal.SIGHUP)
    return done

import engine.server
engine.server.first_check = check
main()
"""
    with subprocess.Popen(
        [sys.executable, "-c", heard, "serve", "-p", "0", "-w", "1", "--no-reload"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        watch = threading.Timer(60, process.kill)
        watch.start()
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "generation 2" in line:
                process.terminate()
        watch.cancel()
        assert process.wait() == 0, "".join(lines)


def test_a_stop_during_a_reload_and_a_second_one_during_the_drain_are_heard(
    folder: Path, serve_here: Callable[..., Server]
) -> None:
    server = serve_here()
    slow_down(folder)
    (check,) = checks_of(server)
    with contextlib.closing(server.connect()) as waiting:
        waiting.request("POST", "/slow", body="[7]")
        time.sleep(0.5)
        for signum in (STOP, TERM, CONT):
            server.process.send_signal(signum)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any("stopping" in line for line in server.lines) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(1.5)
        assert server.process.poll() is None  # it waits for the request
        begin = time.monotonic()
        for signum in (STOP, HUP, TERM, CONT):
            server.process.send_signal(signum)
        assert 0 == server.process.wait(PATIENCE_SECONDS)
        assert time.monotonic() - begin < 5  # a first stop waits for 10 seconds
    assert not is_alive(check)


def test_a_signal_to_all_processes_while_workers_start_leaves_no_traceback(
    tmp_path: Path, serve_here: Callable[..., Server]
) -> None:
    """As ^C on a terminal."""
    (tmp_path / "routes.yaml").write_text("routes: [{path: /, response: hello}]")
    server = serve_here()
    for pid in server.workers():
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(workers := server.workers()) < 2 and time.monotonic() < deadline:
        pass
    for pid in [*workers, server.process.pid]:
        os.kill(pid, INT)
    assert 130 == server.process.wait(PATIENCE_SECONDS)
    assert "Traceback" not in "".join(server.lines)
