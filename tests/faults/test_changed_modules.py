"""A module that a model's file refers to changes: fresh workers serve what was checked, and no request is lost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from modules import INSTANCE, save_model, write_module, write_spec
from serving import Clients, Server

from engine import lock_models

Serve = Callable[..., Server]
# Fails in a worker, and passes every check.
BROKEN = "import multiprocessing\nassert not multiprocessing.current_process().name.startswith('worker')"


@pytest.fixture
def server(tmp_path: Path, serve_here: Serve) -> Server:
    """Serves a model that answers 1 by the module beside the spec; GET / asks it too."""
    write_spec(tmp_path, 1.0)
    routes = json.loads((tmp_path / "routes.yaml").read_text())["routes"]
    (tmp_path / "routes.yaml").write_text(json.dumps({"routes": [*routes, {"path": "/", "response": "hello"}]}))
    write_module(tmp_path, "1 * self.scale")
    save_model(tmp_path / "m.pkl", scale=1.0)
    return serve_here()


def change(folder: Path, factor: int, more: str = "") -> None:
    """Change the module and the model so that they still answer 1 together, and nothing else does; accept both."""
    write_module(folder, f"{factor} * self.scale", more)
    save_model(folder / "m.pkl", scale=1 / factor)
    lock_models(folder / "routes.yaml")


def answers(server: Server) -> set[float]:
    """What the workers answer, each asked several times with near certainty."""
    asked = [server.request("POST", "/m", body=INSTANCE) for _ in range(24)]
    assert {200} == {status for status, _, _ in asked}
    return {json.loads(body)["result"][0] for _, _, body in asked}


def test_fresh_workers_serve_a_changed_module_and_no_request_is_lost(tmp_path: Path, server: Server) -> None:
    """A change of anything else keeps the workers."""
    before = server.wait_for_generation(1)["workers"]
    (tmp_path / "routes.yaml").write_text((tmp_path / "routes.yaml").read_text() + "\n")
    kept = server.wait_until(lambda status: all(one["generation"] == 2 for one in status["workers"]), 150)["workers"]
    assert [one["pid"] for one in before] == [one["pid"] for one in kept]
    judge = lambda status, _, body: "" if (status, body) == (200, b"hello") else f"{status} {body!r}"  # noqa: E731
    with Clients(server, 4, judge) as clients:
        change(tmp_path, 100)
        now = server.wait_until(lambda status: all(one["generation"] >= 3 for one in status["workers"]), 150)
        assert {1.0} == answers(server)
    assert (0, {}) == (0, dict(clients.wrong))
    assert [] == now["degraded"]
    assert [1, 2] == [one["number"] for one in now["workers"]]
    assert not {one["pid"] for one in before} & {one["pid"] for one in now["workers"]}
    assert {"ended": 0, "killed": 0, "hung": 0} == now["restarts"]
    os.kill(now["workers"][0]["pid"], signal.SIGKILL)
    server.wait_until(lambda status: status["restarts"]["killed"] == 1 and len(status["workers"]) == 2, 150)
    server.wait_until(lambda status: all(one["generation"] for one in status["workers"]), 150)
    assert {1.0} == answers(server)
    assert 0 == server.stop()
    said = "".join(server.lines)
    assert said.rindex("replacing worker 2: ") < said.rindex("now serving generation ")


@pytest.mark.soak
def test_a_module_that_fails_in_a_worker_leaves_the_old_ones_serving(tmp_path: Path, server: Server) -> None:
    server.wait_for_generation(1)
    change(tmp_path, 10, BROKEN)
    said = "worker 1 cannot serve generation 2: "
    status = server.wait_until(lambda status: any(said in reason for reason in status["degraded"]), 150)
    assert {1.0} == answers(server)
    assert [1, 1] == [one["generation"] for one in status["workers"]]
    change(tmp_path, 20)
    server.wait_until(lambda status: all(one["generation"] >= 3 for one in status["workers"]), 150)
    assert {1.0} == answers(server)


@pytest.mark.soak
def test_one_worker_is_replaced_as_well(tmp_path: Path, server: Server, serve_here: Serve) -> None:
    assert 0 == server.stop()
    alone = serve_here("-w", "1")
    before = alone.wait_for_generation(1)["workers"]
    judge = lambda status, _, body: "" if (status, body) == (200, b"hello") else f"{status} {body!r}"  # noqa: E731
    with Clients(alone, 4, judge) as clients:
        change(tmp_path, 50)
        now = alone.wait_until(lambda status: status["workers"][0]["generation"] >= 2, 150)["workers"]
    assert {} == dict(clients.wrong)
    assert before[0]["pid"] != now[0]["pid"]
    assert {1.0} == answers(alone)
