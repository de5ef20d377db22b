"""Changes of the files under load: what is right is served by every worker, what is wrong changes nothing."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import Clients, Server, replace_file

REQUESTS_PER_RELOAD = 500
Serve = Callable[..., Server]


def spec(number: int) -> str:
    """A spec whose every answer tells its number twice: in a header and in a long body."""
    return f"""routes:
  - path: /
    response: {{text: "{number} {"x" * 2000} {number}", headers: {{X-Number: "{number}"}}}}
"""


def is_whole(status: int, headers: dict[str, str], body: bytes) -> str:
    """Say what is wrong with an answer that is not wholly of one spec."""
    found = re.fullmatch(rb"(\d+) x{2000} (\d+)", body)
    if status != 200 or not found:
        return f"{status} {body[:50]!r}"
    first, last, header = int(found[1]), int(found[2]), int(headers["x-number"])
    return "" if first == last == header else f"{first} {last} {header}"


@pytest.mark.parametrize("reloads", [12, pytest.param(100, marks=pytest.mark.soak)])
def test_reloads_under_load_lose_nothing(tmp_path: Path, serve_here: Serve, reloads: int) -> None:
    """By SIGHUP and by the change alone, in turn; on its own connection a client never sees an older answer."""
    routes = tmp_path / "routes.yaml"
    replace_file(routes, spec(0).encode())
    server = serve_here()
    with Clients(server, 8, is_whole, order=lambda body: int(body.split()[0]), pause=0) as clients:
        for number in range(1, reloads + 1):
            replace_file(routes, spec(number).encode())
            if number % 2:
                server.process.send_signal(signal.SIGHUP)
            server.wait_until(lambda status, number=number: min_generation(status) > number)
            assert server.request("GET", "/")[2].startswith(b"%d " % number)
        deadline = time.monotonic() + 60
        while clients.answered < reloads * REQUESTS_PER_RELOAD and time.monotonic() < deadline:
            time.sleep(0.1)
    assert not clients.wrong
    assert clients.answered >= reloads * REQUESTS_PER_RELOAD
    assert 0 == server.stop()


def min_generation(status: dict[str, object]) -> int:
    return min(worker["generation"] for worker in status["workers"])
