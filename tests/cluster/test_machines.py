"""The machines of these tests are apart from each other and from everything else."""

from __future__ import annotations

import socket
from subprocess import CalledProcessError

import pytest
from machines import open_network

pytestmark = pytest.mark.cluster


def test_machines_are_apart_and_reach_each_other() -> None:
    with open_network() as network:
        one, other = network.add_machine(), network.add_machine()
        one.run("sh", "-c", "echo mine > /tmp/file")
        with pytest.raises(CalledProcessError):
            other.run("cat", "/tmp/file", stderr=-3)
        assert 1 == len(one.pids("infinity"))
        server = one.start("python3", "-m", "http.server", "8000", stderr=-3, stdout=-3, cwd="/proc")
        one.run("sh", "-c", "until ss -ltn | grep -q :8000; do sleep 0.1; done")
        other.run("python3", "-c", f"import socket; socket.create_connection(('{one.address}', 8000), 5)")
        network.call(socket.create_connection, (one.address, 8000), 5).close()
        one.cut_power()
        server.wait(5)
        assert other.is_running
        assert not one.is_running
