"""A worker follows its supervisor: it takes generations, drains and ends as it is told."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from conftest import ROOT
from granian_door import ask
from serving import hear

from engine.server import is_loopback
from engine.server.checking import SpecSource, check_spec
from engine.server.http import Front
from engine.server.worker import Follower


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("no such host", False),
    ],
)
def test_which_addresses_are_this_machines_alone(host: str, alone: bool) -> None:
    assert alone == is_loopback(host)


@pytest.fixture
def follower(spec_folder: Path) -> Iterator[tuple[Connection, Follower, Front]]:
    """A worker's follower, and its supervisor's end of their channel."""
    (spec_folder / "routes.yaml").write_text(ROUTES % "one")
    (spec_folder / "models.yaml").write_text((ROOT / "models.yaml").read_text())
    ours, theirs = multiprocessing.Pipe()
    front = Front()
    follows = Follower(theirs, front, lambda: None)
    follows._leave = lambda: None  # it would end this process
    yield ours, follows, front
    ours.close()


ROUTES = "routes: [{path: /, response: {text: %s}}, {path: /predict, model: iris}]"


def snapshot() -> bytes:
    payload = check_spec(SpecSource("routes.yaml", None)).snapshot
    assert payload is not None
    return payload


def test_a_generation_takes_the_place_of_the_one_before(
    follower: tuple[Connection, Follower, Front], spec_folder: Path
) -> None:
    """A model that has not changed is not loaded again; an older generation is not taken."""
    ours, follows, front = follower
    first = snapshot()
    ours.send(("status", {"generation": 1}))
    ours.send(("generation", (1, first)))
    assert (64 + 3 * 8) * 1024 == follows.begin()
    assert [("loads", None), ("serves", 1)] == [hear(ours), hear(ours)]
    assert b"one" == ask(front)[2]
    predictors = [*follows._predictors.values()]
    (spec_folder / "routes.yaml").write_text(ROUTES % "two")
    ours.send(("generation", (2, snapshot())))
    assert [("loads", None), ("serves", 2)] == [hear(ours), hear(ours)]
    assert b"two" == ask(front)[2]
    assert [True, True] == [now is before for now, before in zip(follows._predictors.values(), predictors, strict=True)]
    ours.send(("generation", (1, first)))
    ours.send(("generation", (3, b"no snapshot")))
    assert ("loads", None) == hear(ours)
    word, (number, why) = hear(ours)
    assert ("failed", 3, True) == (word, number, why.startswith("UnpicklingError: "))
    assert b"two" == ask(front)[2]
    assert {"generation": 1} == follows.status().document


def test_a_worker_begins_once_it_knows_the_status_that_it_may_be_asked_for(
    follower: tuple[Connection, Follower, Front],
) -> None:
    ours, follows, _ = follower
    ours.send(("generation", (1, snapshot())))
    begins = threading.Thread(target=follows.begin)
    begins.start()
    assert [("loads", None), ("serves", 1)] == [hear(ours), hear(ours)]
    begins.join(0.2)
    assert begins.is_alive()
    ours.send(("status", {"generation": 1}))
    begins.join(30)
    assert {"generation": 1} == follows.status().document


def test_a_worker_says_that_it_is_alive_from_a_thread_of_its_own(follower: tuple[Connection, Follower, Front]) -> None:
    ours, follows, _ = follower
    ours.send(("generation", (1, snapshot())))
    ours.send(("status", {"generation": 1}))
    follows.begin()
    heard: list[str] = []
    while heard.count("alive") < 3:
        assert ours.poll(30)
        heard.append(ours.recv()[0])


def test_a_worker_drains_when_its_supervisor_says_so_or_is_gone(
    follower: tuple[Connection, Follower, Front], spec_folder: Path
) -> None:
    ours, follows, front = follower
    assert spec_folder.exists()
    ours.send(("generation", (1, snapshot())))
    ours.send(("status", {"generation": 1}))
    follows.begin()
    assert follows.status().ready
    ours.send(("drain", None))
    deadline = time.monotonic() + 30
    while follows.status().ready and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not follows.status().ready
    stopped = threading.Event()
    follows._stop = stopped.set
    ours.close()
    assert stopped.wait(30)
    assert front.draining
