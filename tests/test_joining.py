"""The addresses of clusters of Ray, and what is said of wrong ones, at once and without Ray."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from engine.batch.on_ray.ray_data import open_cluster
from engine.errors import EngineError
from engine.joining import is_address, require_answer

ADVICE = "the port is 6379, unless its head node was started with another"


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a server that says something else than HTTP/2."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.fixture
def closed() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_nobody_listens(closed: int) -> None:
    with pytest.raises(EngineError) as refused:
        require_answer(f"127.0.0.1:{closed}")
    assert f"no cluster of Ray answers at 127.0.0.1:{closed}: Connection refused; {ADVICE}" == str(refused.value)


def test_predict_says_so_too(closed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself would try for minutes; it is not even imported."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "")
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "")
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "")
    with pytest.raises(EngineError, match="no cluster of Ray answers"), open_cluster(f"127.0.0.1:{closed}", 1):
        pass


def test_another_server_listens(port: int) -> None:
    with pytest.raises(EngineError) as refused:
        require_answer(f"127.0.0.1:{port}")
    assert f"what answers at 127.0.0.1:{port} is not Ray's head node; {ADVICE}" == str(refused.value)


def test_the_port_of_the_other_kind_of_address() -> None:
    with pytest.raises(EngineError) as refused:
        require_answer("ray://head:6379")
    assert "6379 is the port of addresses without ray://; try --address head:6379" == str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("auto", True), ("head:6379", True), ("ray://[::1]:10001", True), ("", False), ("head", False), ("a b:1", False)],
)
def test_what_an_address_is(text: str, expected: bool) -> None:
    assert expected == is_address(text)
